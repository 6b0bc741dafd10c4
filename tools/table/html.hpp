// The table as a page with its pictures, that opens from disk.
#pragma once

#include <string>
#include <vector>

#include "tools/table/figures.hpp"

namespace tweedie::table {

/// The page; it links to the pictures of the cells below `out`, where it is to lie. Shows at most
/// `most_images` images of each task: original, measurement, every method, and below each method where it is
/// off. Writes those maps of the error beside the cells' pictures.
std::string as_html(const Table& table, const Figures& figures, const std::vector<Cell>& cells,
                    const std::string& out, int most_images = 12);

}  // namespace tweedie::table
