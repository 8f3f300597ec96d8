// SPDX-License-Identifier: Apache-2.0
#include "services/xl/cpu_list.h"

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace pyrene::xl {
namespace {

bool ParseNumber(absl::string_view text, int& number) {
  // SimpleAtoi takes a sign, which a CPU's number has not.
  if (text.empty() || !absl::ascii_isdigit(text.front())) return false;
  return absl::SimpleAtoi(text, &number);
}

// One bit for each of first..last, both at most kMaxCpuNumber.
CpuMask Range(int first, int last) {
  const CpuMask up_to_last = kAllCpus >> (kMaxCpuNumber - last);
  return up_to_last & (kAllCpus << first);
}

}  // namespace

absl::StatusOr<CpuMask> ParseCpuList(absl::string_view text) {
  CpuMask cpus = 0;
  for (absl::string_view element : absl::StrSplit(text, ',')) {
    element = absl::StripAsciiWhitespace(element);
    if (element.empty()) continue;
    const absl::string_view whole = element;
    const auto error = [whole](absl::string_view what) {
      return absl::InvalidArgumentError(absl::StrCat("'", whole, "' ", what));
    };
    const bool remove = absl::ConsumePrefix(&element, "^");
    const bool node =
        absl::ConsumePrefix(&element, "nodes:") || absl::ConsumePrefix(&element, "node:");
    if (element == "all") {
      if (remove) return error("takes away all CPUs");
      cpus = kAllCpus;
      continue;
    }
    const size_t dash = element.find('-');
    int first = 0;
    if (!ParseNumber(element.substr(0, dash), first))
      return error("is not a CPU or a range of CPUs");
    int last = first;
    if (dash != absl::string_view::npos && !ParseNumber(element.substr(dash + 1), last)) {
      return error("is not a CPU or a range of CPUs");
    }
    if (last < first) return error("ends before it begins");
    if (node && last != 0) return error("names a node that does not exist");
    if (last > kMaxCpuNumber) return error(absl::StrCat("is beyond CPU ", kMaxCpuNumber));
    const CpuMask range = node ? kAllCpus : Range(first, last);
    cpus = remove ? cpus & ~range : cpus | range;
  }
  if (cpus == 0) return absl::InvalidArgumentError(absl::StrCat("'", text, "' names no CPU"));
  return cpus;
}

std::string FormatCpuMask(CpuMask cpus, int host_cpus) {
  const CpuMask host = Range(0, host_cpus - 1);
  if ((cpus & host) == host) return "all";
  if ((cpus & host) == 0) return "none";
  std::string text;
  for (int cpu = 0; cpu < host_cpus; ++cpu) {
    if ((cpus >> cpu & 1) == 0) continue;
    int last = cpu;
    while (last + 1 < host_cpus && (cpus >> (last + 1) & 1) != 0) ++last;
    absl::StrAppend(&text, text.empty() ? "" : ",", cpu);
    if (last > cpu) absl::StrAppend(&text, "-", last);
    cpu = last;
  }
  return text;
}

}  // namespace pyrene::xl
