// The images of two folders, and which belongs to which.
#pragma once

#include <string>
#include <vector>

namespace tweedie::metrics {

/// Paths of the PNG, JPEG and TIFF files in a folder, sorted by name; or the one file that `path` is. Errors:
/// there is neither, or no image in the folder.
std::vector<std::string> image_files(const std::string& path);

/// An image and its reference, by what their names share: "00017" of "00017.png" and "00017.jpg".
struct PairOfFiles {
  std::string name, image, reference;
};
/// Pairs the files of two folders by name without its ending; two single files are a pair whatever their
/// names. `common`: those without a partner are left out, and are errors otherwise. Errors: a name twice in
/// one folder, no pair at all.
std::vector<PairOfFiles> paired(const std::vector<std::string>& images,
                                const std::vector<std::string>& references, bool common);

}  // namespace tweedie::metrics
