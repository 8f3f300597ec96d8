// SPDX-License-Identifier: Apache-2.0
#include "runtime/log.h"

#include <unistd.h>

#include "runtime/service.h"

namespace pyrene::runtime {
namespace {

constexpr size_t kMaxText = 480;

}  // namespace

void LogLine(Severity severity, absl::string_view text) {
  std::string line =
      absl::StrCat(std::string(1, static_cast<char>(severity)), " ", Service().name, ": ");
  for (const char c : text.substr(0, kMaxText)) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    line.push_back(control ? '?' : c);
  }
  line.push_back('\n');
  // Nowhere to report a failure to.
  if (::write(STDERR_FILENO, line.data(), line.size()) < 0) return;
}

}  // namespace pyrene::runtime
