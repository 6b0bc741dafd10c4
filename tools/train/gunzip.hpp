// Files that may be compressed by gzip.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tweedie {

/// Whether the bytes begin as a gzip file does (RFC 1952: its two magic bytes and the method deflate).
bool is_gzip(std::string_view bytes);

/// What the gzip file holds, all its members. Throws `Error`, beginning with `name`, when it is damaged or
/// cut short, or holds more than `max_bytes`.
std::string gunzip(std::string_view bytes, const std::string& name, std::size_t max_bytes);

}  // namespace tweedie
