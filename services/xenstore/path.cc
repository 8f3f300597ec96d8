// SPDX-License-Identifier: Apache-2.0
#include "services/xenstore/path.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace pyrene::xenstore {
namespace {

// Indexed by character.
constexpr std::array<bool, 256> kInPath = [] {
  std::array<bool, 256> in_path = {};
  for (char c = 'a'; c <= 'z'; ++c) in_path[static_cast<uint8_t>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) in_path[static_cast<uint8_t>(c)] = true;
  for (char c = '0'; c <= '9'; ++c) in_path[static_cast<uint8_t>(c)] = true;
  for (char c : {'-', '/', '_', '@'}) in_path[static_cast<uint8_t>(c)] = true;
  return in_path;
}();

}  // namespace

std::string HomeOf(DomId domid) { return "/local/domain/" + std::to_string(domid); }

Error Canonicalize(std::string_view input, DomId domid, std::string* absolute) {
  if (input.empty()) return Error::kInvalid;
  bool relative = input.front() != '/';
  if (input.size() > (relative ? kMaxRelativePath : kMaxAbsolutePath)) return Error::kInvalid;
  if (input.front() == '@') return Error::kInvalid;
  if (input.size() > 1 && input.back() == '/') return Error::kInvalid;
  char last = 0;
  for (char c : input) {
    if (!kInPath[static_cast<uint8_t>(c)] || (c == '/' && last == '/')) return Error::kInvalid;
    last = c;
  }
  if (relative) {
    *absolute = HomeOf(domid);
    absolute->push_back('/');
    absolute->append(input);
  } else {
    absolute->assign(input);
  }
  return Error::kOk;
}

std::string_view ParentOf(std::string_view path) {
  size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string_view::npos ? path.substr(0, 1) : path.substr(0, slash);
}

bool IsAtOrBelow(std::string_view path, std::string_view ancestor) {
  if (ancestor == "/") return !path.empty() && path.front() == '/';
  return path.substr(0, ancestor.size()) == ancestor &&
         (path.size() == ancestor.size() || path[ancestor.size()] == '/');
}

uint32_t DepthOf(std::string_view path) {
  return path == "/" ? 0 : static_cast<uint32_t>(std::count(path.begin(), path.end(), '/'));
}

std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<DomId> ParseDomId(std::string_view text) {
  std::optional<uint64_t> number = ParseNumber(text);
  if (!number || *number == kNobody || *number >= kFirstReserved) return std::nullopt;
  return static_cast<DomId>(*number);
}

}  // namespace pyrene::xenstore
