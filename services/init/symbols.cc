// SPDX-License-Identifier: Apache-2.0
#include "services/init/symbols.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace pyrene::init {
namespace {

constexpr size_t kDigits = 16;
constexpr size_t kMaxName = 96;

// The line that byte `at` belongs to.
absl::string_view LineAt(absl::string_view table, size_t at) {
  size_t begin = at == 0 ? absl::string_view::npos : table.rfind('\n', at - 1);
  begin = begin == absl::string_view::npos ? 0 : begin + 1;
  return table.substr(begin, table.find('\n', at) - begin);
}

bool ParseLine(absl::string_view line, uint64_t& address, absl::string_view& name) {
  if (line.size() < kDigits + 2 || line[kDigits] != ' ') return false;
  name = line.substr(kDigits + 1, kMaxName);
  return absl::SimpleHexAtoi(line.substr(0, kDigits), &address);
}

}  // namespace

std::string DescribeAddress(absl::string_view table, uint64_t address) {
  std::string plain = absl::StrCat("0x", absl::Hex(address));
  uint64_t found = 0;
  absl::string_view found_name;
  // The last line at or below the address begins in [low, high).
  size_t low = 0;
  size_t high = table.size();
  while (low < high) {
    const absl::string_view line = LineAt(table, low + (high - low) / 2);
    const size_t begin = static_cast<size_t>(line.data() - table.data());
    uint64_t value;
    absl::string_view name;
    if (!ParseLine(line, value, name)) return plain;
    if (value <= address) {
      found = value;
      found_name = name;
      low = begin + line.size() + 1;
    } else {
      high = begin;
    }
  }
  if (found_name.empty()) return plain;
  return absl::StrCat(plain, " (", found_name, "+0x", absl::Hex(address - found), ")");
}

}  // namespace pyrene::init
