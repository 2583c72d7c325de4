// The keys of checkpoint, evaluate, pictures, log and metrics: what a run writes and shows. A
// resume may change all of them.
#include "config/key_rows.hpp"

namespace vae_dist::config {

Resume resume_of(const CheckpointConfig& checkpoint) {
  return checkpoint.resume == "auto"    ? Resume::automatic
         : checkpoint.resume == "never" ? Resume::never
                                        : Resume::named;
}

void add_outcome_keys(std::vector<base::Key>& keys, Config& config) {
  base::Section checkpoint(keys, "checkpoint");
  checkpoint
      .key("every_steps", config.checkpoint.every_steps,
           "steps between checkpoints; 0: not by steps. A checkpoint is always written at the end")
      .at_least(0)
      .may_change();
  checkpoint
      .key("every_minutes", config.checkpoint.every_minutes,
           "minutes between checkpoints; 0: not by time")
      .at_least(0)
      .at_most(1e8)
      .may_change();
  checkpoint.key("keep", config.checkpoint.keep, "number of newest checkpoints to keep")
      .at_least(1)
      .may_change();
  checkpoint
      .key("keep_best", config.checkpoint.keep_best,
           "1: also keep the checkpoint that is best on the validation rows; 0: do not")
      .at_least(0)
      .at_most(1)
      .may_change();
  checkpoint
      .key("best", config.checkpoint.best,
           "what the best checkpoint is best at: loss (with the beta and C that the schedules end "
           "with), elbo, reconstruction, or another number of an evaluation (mse, bits_per_dim, "
           "active_units, ...)")
      .may_change();
  checkpoint
      .key("resume", config.checkpoint.resume,
           "auto: resume from the run's newest checkpoint; never: refuse a run that has "
           "checkpoints; directory of a checkpoint or of a run: resume from there until this run "
           "has later checkpoints of its own")
      .is_folder()
      .may_change();

  base::Section evaluate(keys, "evaluate");
  evaluate
      .key("every_epochs", config.evaluate.every_epochs,
           "epochs between evaluations; 0: not by epochs")
      .at_least(0)
      .may_change();
  evaluate
      .key("every_steps", config.evaluate.every_steps,
           "steps between evaluations, besides those at the ends of epochs; 0: not by steps")
      .at_least(0)
      .may_change();
  evaluate
      .key("batch", config.evaluate.batch,
           "samples evaluated at once; of large samples fewer: 16 Mi values at most")
      .at_least(1)
      .may_change();
  evaluate
      .key("importance_samples", config.evaluate.importance_samples,
           "importance samples per image for the estimate of log p(x); 0: no estimate")
      .at_least(0)
      .may_change();

  base::Section pictures(keys, "pictures");
  pictures
      .key("every_epochs", config.pictures.every_epochs,
           "epochs between pictures; 0: not by epochs")
      .at_least(0)
      .may_change();
  pictures
      .key("every_steps", config.pictures.every_steps,
           "steps between pictures, besides those at the ends of epochs; 0: not by steps")
      .at_least(0)
      .may_change();
  pictures.key("samples", config.pictures.samples, "images drawn from the prior; 0: no grid")
      .at_least(0)
      .at_most(1e9)
      .may_change();
  pictures
      .key("reconstructions", config.pictures.reconstructions,
           "images shown beside their reconstructions; 0: no grid")
      .at_least(0)
      .at_most(10000)
      .may_change();
  pictures
      .key("traversals", config.pictures.traversals,
           "number of latent dimensions to traverse, those with the largest KL; 0: no grid")
      .at_least(0)
      .at_most(10000)
      .may_change();

  base::Section log(keys, "log");
  log.key("every_steps", config.log.every_steps, "steps per log line").at_least(1).may_change();
  log.choice("level", config.log.level, words_of(config.log.level), "lowest level that is logged")
      .may_change();
  log.key(
         "tensorboard", config.log.tensorboard,
         "whether the run keeps its curves, pictures and configuration for TensorBoard too, in its "
         "folder tensorboard; auto: true")
      .empty_is("auto")
      .may_change();

  base::Section metrics(keys, "metrics");
  metrics
      .key("port", config.metrics.port,
           "base port: each rank serves port + its local rank; 0: any free port; null: none")
      .at_least(0)
      .at_most(65535)
      .may_change();
  metrics
      .key("address", config.metrics.address,
           "address on which each rank serves /metrics; auto: 127.0.0.1, but 0.0.0.0 in a Slurm "
           "job or on several hosts")
      .empty_is("auto")
      .may_change();
  metrics
      .key("service_discovery", config.metrics.service_discovery,
           "directory for the file_sd JSON file <user>-<run.name>.prometheus.json; auto: "
           "<run.name>.prometheus.json in run.directory")
      .is_folder()
      .empty_is("auto")
      .may_change();
  metrics
      .key("push_gateway", config.metrics.push_gateway,
           "host:port or URL of the Pushgateway that receives the job's outcome; null: none")
      .may_change();
  metrics
      .key("textfile", config.metrics.textfile,
           "directory of node_exporter's textfile collector: each rank keeps its series there, in "
           "vae_dist-<user>-<run.name>-rank<k>.prom, while it trains; null: none")
      .is_folder()
      .may_change();
}

}  // namespace vae_dist::config
