// SPDX-License-Identifier: Apache-2.0
// Output of xl's commands that list guests, character for character as Xen 4.17 prints it, so that
// whatever reads xl's output reads ours.  One thing differs by design: there is no Domain-0, so no
// line shows one. Each function returns whole lines, or one line with its newline.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "services/xl/domain_info.h"

namespace pyrene::xl {

struct ListOptions {
  bool verbose = false;  // -v: UUID, reason code, security label
  bool context = false;  // -Z: security label
  bool cpupool = false;  // -c
  bool numa = false;     // -n: node affinity
};

std::string FormatList(absl::Span<const DomainInfo> domains, const ListOptions& options);

std::string FormatVcpuList(absl::Span<const VcpuInfo> vcpus, int host_cpus);

// `now_s`: seconds since 1970.  The short form (-s) has a line " HH:MM:SS up ..." in UTC for each
// guest and no header.
std::string FormatUptime(absl::Span<const DomainInfo> domains, int64_t now_s, bool short_form);

// "2 days, 11:02:07", "1 day,  0:00:00", " 0:00:09"; without the seconds in the short form.
std::string FormatDuration(int64_t seconds, bool short_form);

std::string FormatVmList(absl::Span<const DomainInfo> domains);

std::string FormatDomid(const DomainInfo& domain);    // `xl domid`
std::string FormatDomname(const DomainInfo& domain);  // `xl domname`

// CPU time as all lists show it: seconds with one digit.
double CpuSeconds(uint64_t nanoseconds);

}  // namespace pyrene::xl
