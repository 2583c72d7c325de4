#include "hdf5/sparse_rows.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/require_bytes.hpp"

namespace vae_dist::hdf5 {
namespace {

constexpr std::int64_t kSparseBlockBytes = std::int64_t{1} << 20;

std::string encoding_of(const Hdf5File& file, const std::string& path) {
  const std::string now = file.text_attribute(path, "encoding-type");
  return now.empty() ? file.text_attribute(path, "h5sparse_format") : now;
}

}  // namespace

bool SparseRows::is_at(const Hdf5File& file, const std::string& path) {
  const std::string encoding = encoding_of(file, path);
  return encoding.starts_with("csr") || encoding.starts_with("csc");
}

SparseRows::SparseRows(const Hdf5File& file, const std::string& path)
    : where_(base::text(file.path(), ", group '", path, "'")) {
  if (encoding_of(file, path).starts_with("csc"))
    throw base::BadInput(base::text(
        where_,
        " holds a sparse matrix that is compressed by columns (CSC), of which no row can be read "
        "without reading all of it. Turn it once, in Python: `import anndata; a = "
        "anndata.read_h5ad(\"in.h5ad\"); a.X = a.X.tocsr(); a.write_h5ad(\"out.h5ad\")`"));
  values_ = std::make_unique<StoredRows>(file.dataset(path + "/data"));
  indices_ = std::make_unique<StoredRows>(file.dataset(path + "/indices"));
  const Hdf5Dataset begins = file.dataset(path + "/indptr");
  const auto refuse = [&](const std::string& why) {
    throw base::BadInput(base::text(where_, " is no sparse matrix that can be read: ", why));
  };
  std::vector<double> shape = file.number_list_attribute(path, "shape");
  if (shape.empty()) shape = file.number_list_attribute(path, "h5sparse_shape");
  if (shape.size() != 2) refuse("its attribute shape does not give rows and columns");
  if (begins.shape().size() != 1 || begins.shape()[0] != static_cast<std::int64_t>(shape[0]) + 1)
    refuse(base::text("indptr has shape ", shape_text(begins.shape()), " for ", shape[0], " rows"));
  columns_ = static_cast<std::int64_t>(shape[1]);
  begins_.resize(static_cast<std::size_t>(begins.shape()[0]));
  begins.read_rows(0, begins.shape()[0], std::span(begins_));
  if (begins_.front() != 0 || !std::is_sorted(begins_.begin(), begins_.end()) ||
      begins_.back() > values_->rows() || values_->rows() != indices_->rows())
    refuse("indptr, indices and data do not fit together");
  const std::int64_t bytes = entries(0, rows()) * static_cast<std::int64_t>(sizeof(SparseEntry));
  block_rows_ =
      std::clamp<std::int64_t>(rows() * kSparseBlockBytes / std::max<std::int64_t>(bytes, 1), 1,
                               std::max<std::int64_t>(rows(), 1));
}

void SparseRows::read(std::int64_t first, std::int64_t count, std::span<SparseEntry> out,
                      DecodeBuffers& buffers) const {
  const std::int64_t all = entries(first, count), begin = begins_[static_cast<std::size_t>(first)];
  base::require_bytes("SparseRows::read", out.size(), static_cast<std::size_t>(all));
  std::vector<std::byte> stored(static_cast<std::size_t>(all) * indices_->row_bytes());
  std::vector<std::int64_t> columns(static_cast<std::size_t>(all));
  indices_->read(begin, all, stored, buffers);
  to_integers(indices_->number(), stored, columns);
  stored.resize(static_cast<std::size_t>(all) * values_->row_bytes());
  std::vector<float> values(static_cast<std::size_t>(all));
  values_->read(begin, all, stored, buffers);
  const auto bad = to_floats(values_->number(), stored, values);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i] < 0 || columns[i] >= columns_ || (bad && *bad == i)) {
      const std::int64_t row =
          std::upper_bound(begins_.begin(), begins_.end(), begin + static_cast<std::int64_t>(i)) -
          begins_.begin() - 1;
      throw base::Failure(base::text(
          where_, ": row ", row,
          bad && *bad == i ? " holds a value that is not a finite number"
                           : base::text(" has an entry in column ", columns[i], " of ", columns_)));
    }
    out[i] = {static_cast<std::uint32_t>(columns[i]), values[i]};
  }
}

void SparseRows::will_need(std::int64_t first, std::int64_t count) const {
  const std::int64_t begin = begins_[static_cast<std::size_t>(first)];
  values_->will_need(begin, entries(first, count));
  indices_->will_need(begin, entries(first, count));
}

}  // namespace vae_dist::hdf5
