"""python -m vae_dist export RUN --onnx encoder.onnx decoder.onnx | --script FILE"""
import argparse
import sys

import torch

from vae_dist.export import export_onnx, export_script
from vae_dist.model import load


def _reason(error: BaseException) -> str:
    """What the exporter met. Its own words about that are long: a graph may stand behind them, or general advice before them."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[0] if "Unsupported" in lines[0] or "not supported" in lines[0] else lines[-1]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m vae_dist", description="Models that vae_dist has trained.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    export = verbs.add_parser("export", help="write a trained model as ONNX or TorchScript, in the units of the training file")
    export.add_argument("run", help="a run's folder, a checkpoint's folder, RUN@best or RUN@STEP")
    export.add_argument("--onnx", nargs="+", metavar="FILE", help="the encoder's and the decoder's file; of a decoder_only model, the decoder's alone")
    export.add_argument("--script", metavar="FILE", help="a TorchScript file with the methods encode, decode and reconstruct")
    chosen = parser.parse_args(arguments)
    if not chosen.onnx and not chosen.script:
        parser.error("export: give --onnx ENCODER DECODER, --script FILE, or both")
    if chosen.onnx and len(chosen.onnx) > 2:
        parser.error("export: --onnx takes the encoder's file and the decoder's")
    try:
        model = load(chosen.run)
        if chosen.onnx:
            if len(chosen.onnx) == 1 and model.latent_kind != "none":
                parser.error("export: --onnx takes two files, the encoder's and the decoder's")
            export_onnx(model, chosen.onnx[0] if len(chosen.onnx) == 2 else None, chosen.onnx[-1])
        if chosen.script:
            export_script(model, chosen.script)
    except (ValueError, OSError, ImportError) as error:
        print(f"vae_dist: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:  # of PyTorch's exporters
        print(f"vae_dist: PyTorch {torch.__version__} cannot export the model: {_reason(error)}\n"
              "vae_dist: what one exporter cannot express, the other often can: --script in place of --onnx, or --onnx in place of --script", file=sys.stderr)
        return 2
    print(f"{model.path}: {', '.join([*(chosen.onnx or []), *([chosen.script] if chosen.script else [])])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
