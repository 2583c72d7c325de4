#include "datasets/picture_folder.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>

#include "base/error.hpp"

namespace vae_dist::datasets {
namespace {

namespace fs = std::filesystem;

bool is_picture(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

struct Listing {
  std::vector<std::string> pictures, folders, others;  // names, sorted
};

Listing read_folder(const fs::path& folder) {
  Listing out;
  try {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with('.')) continue;
      (entry.is_directory()       ? out.folders
       : is_picture(entry.path()) ? out.pictures
                                  : out.others)
          .push_back(name);
    }
  } catch (const fs::filesystem_error& error) {
    throw base::BadInput(
        base::text("cannot read the folder ", folder.string(), ": ", error.code().message()));
  }
  for (auto* names : {&out.pictures, &out.folders, &out.others})
    std::sort(names->begin(), names->end());
  return out;
}

// Appends all pictures below `inside`, as paths relative to `root`. `around` lists the enclosing
// folders, to detect link cycles.
void collect(const fs::path& root, const std::string& inside, std::vector<fs::path> around,
             PictureFolder& out) {
  const fs::path folder = root / inside, real = fs::canonical(folder);
  if (std::find(around.begin(), around.end(), real) != around.end())
    throw base::BadInput(base::text(
        folder.string(),
        " is a link to an enclosing folder: remove it, or import the folders one by one"));
  around.push_back(real);
  const Listing listing = read_folder(folder);
  for (const std::string& name : listing.pictures) out.pictures.push_back(inside + name);
  out.others += static_cast<std::int64_t>(listing.others.size());
  if (out.first_other.empty() && !listing.others.empty())
    out.first_other = inside + listing.others.front();
  for (const std::string& name : listing.folders) collect(root, inside + name + "/", around, out);
}

std::string folder_of_picture(const std::string& picture) {
  return fs::path(picture).parent_path().string();
}

// Groups the pictures from index `first` on, which share their outermost folder, into classes, and
// sorts them bytewise within each class.
void add_classes(std::size_t first, const std::string& outermost, ClassFolders kind,
                 PictureFolder& out) {
  std::map<std::string, std::vector<std::string>> classes;
  std::set<std::string> folders;
  for (std::size_t i = first; i < out.pictures.size(); ++i) {
    const std::string inner = folder_of_picture(out.pictures[i]);
    folders.insert(inner);
    classes[kind == ClassFolders::each ? inner : outermost].push_back(out.pictures[i]);
  }
  if (kind == ClassFolders::outermost && folders.size() > 1 && out.merged.empty())
    out.merged = *folders.rbegin();
  out.pictures.resize(first);
  for (auto& [name, pictures] : classes) {
    std::sort(pictures.begin(), pictures.end());
    out.labels.resize(out.pictures.size() + pictures.size(),
                      static_cast<std::int64_t>(out.classes.size()));
    out.pictures.insert(out.pictures.end(), pictures.begin(), pictures.end());
    out.classes.push_back(name);
  }
}

}  // namespace

PictureFolder list_pictures(const std::string& folder, ClassFolders classes) {
  std::error_code error;
  if (!fs::is_directory(folder, error))
    throw base::BadInput(
        base::text(folder, " is not a folder", error ? base::text(": ", error.message()) : ""));
  PictureFolder out;
  const Listing top = read_folder(folder);
  out.pictures = top.pictures;
  out.others = static_cast<std::int64_t>(top.others.size());
  if (!top.others.empty()) out.first_other = top.others.front();
  for (const std::string& name : top.folders) {
    const std::size_t before = out.pictures.size();
    collect(folder, name + "/", {fs::canonical(folder)}, out);
    if (out.pictures.size() == before) continue;
    add_classes(before, name, classes, out);
  }
  if (out.pictures.empty())
    throw base::BadInput(base::text(folder, " holds no pictures (.jpg, .jpeg or .png)",
                                    out.others ? base::text("; it holds ", out.first_other, " and ",
                                                            out.others - 1, " other files")
                                               : ""));
  if (!top.pictures.empty() && !out.classes.empty())
    throw base::BadInput(base::text(folder, " holds pictures (", top.pictures.front(),
                                    ") beside sub-folders with pictures (", out.classes.front(),
                                    "), so the former have no label: move them into a sub-folder, "
                                    "or import one sub-folder alone"));
  return out;
}

}  // namespace vae_dist::datasets
