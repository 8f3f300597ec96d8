// SPDX-License-Identifier: Apache-2.0
#include "services/xl/format.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace pyrene::xl {
namespace {

constexpr int64_t kSecondsPerDay = 24 * 60 * 60;

// By ShutdownReason.
constexpr absl::string_view kReasonLetters = "-rscwS";

char ReasonLetter(const DomainInfo& domain) {
  if (!domain.shutdown) return '-';
  return domain.shutdown_reason < kReasonLetters.size() ? kReasonLetters[domain.shutdown_reason]
                                                        : '?';
}

std::string ClockOfDay(int64_t seconds) {
  int64_t of_day = seconds % kSecondsPerDay;
  if (of_day < 0) of_day += kSecondsPerDay;
  return absl::StrFormat("%02d:%02d:%02d", of_day / 3600, of_day / 60 % 60, of_day % 60);
}

}  // namespace

double CpuSeconds(uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e9; }

std::string FormatList(absl::Span<const DomainInfo> domains, const ListOptions& options) {
  std::string text = "Name                                        ID   Mem VCPUs\tState\tTime(s)";
  if (options.verbose)
    absl::StrAppend(&text, "   UUID                            Reason-Code\tSecurity Label");
  if (options.context && !options.verbose) absl::StrAppend(&text, "   Security Label");
  if (options.cpupool) absl::StrAppend(&text, "         Cpupool");
  if (options.numa) absl::StrAppend(&text, " NODE Affinity");
  absl::StrAppend(&text, "\n");
  for (const DomainInfo& domain : domains) {
    absl::StrAppendFormat(
        &text, "%-40s %5d %5d %5d     %c%c%c%c%c%c  %8.1f", domain.name, domain.domid,
        domain.memory_kib / 1024, domain.vcpus_online, domain.running ? 'r' : '-',
        domain.blocked ? 'b' : '-', domain.paused ? 'p' : '-', domain.shutdown ? 's' : '-',
        ReasonLetter(domain), domain.dying ? 'd' : '-', CpuSeconds(domain.cpu_time_ns));
    if (options.verbose) {
      absl::StrAppend(&text, " ", domain.uuid);
      if (domain.shutdown) {
        absl::StrAppendFormat(&text, " %8x", domain.shutdown_reason);
      } else {
        absl::StrAppendFormat(&text, " %8s", "-");
      }
    }
    if (options.verbose || options.context) absl::StrAppendFormat(&text, " %16s", "-");
    if (options.cpupool) absl::StrAppendFormat(&text, "%16s", "Pool-0");
    if (options.numa) absl::StrAppend(&text, " all");
    absl::StrAppend(&text, "\n");
  }
  return text;
}

std::string FormatVcpuList(absl::Span<const VcpuInfo> vcpus, int host_cpus) {
  std::string text = absl::StrFormat("%-32s %5s %5s %5s %5s %9s %s\n", "Name", "ID", "VCPU", "CPU",
                                     "State", "Time(s)", "Affinity (Hard / Soft)");
  for (const VcpuInfo& vcpu : vcpus) {
    absl::StrAppendFormat(&text, "%-32s %5d %5d", vcpu.domain_name, vcpu.domid, vcpu.vcpu);
    if (vcpu.online) {
      absl::StrAppendFormat(&text, "%5d   %c%c- ", vcpu.cpu, vcpu.running ? 'r' : '-',
                            vcpu.blocked ? 'b' : '-');
    } else {
      absl::StrAppend(&text, "    -   --p ");
    }
    absl::StrAppendFormat(&text, "%9.1f  %s / %s\n", CpuSeconds(vcpu.cpu_time_ns),
                          FormatCpuMask(vcpu.hard_affinity, host_cpus),
                          FormatCpuMask(vcpu.soft_affinity, host_cpus));
  }
  return text;
}

std::string FormatDuration(int64_t seconds, bool short_form) {
  seconds = std::max<int64_t>(seconds, 0);
  const int64_t days = seconds / kSecondsPerDay;
  std::string text;
  if (days > 0) text = absl::StrCat(days, days == 1 ? " day, " : " days, ");
  absl::StrAppendFormat(&text, "%2d:%02d", seconds / 3600 % 24, seconds / 60 % 60);
  if (!short_form) absl::StrAppendFormat(&text, ":%02d", seconds % 60);
  return text;
}

std::string FormatUptime(absl::Span<const DomainInfo> domains, int64_t now_s, bool short_form) {
  std::string text;
  if (!short_form) text = absl::StrFormat("%-33s %4s %s\n", "Name", "ID", "Uptime");
  for (const DomainInfo& domain : domains) {
    const std::string uptime = FormatDuration(now_s - domain.start_time_s, short_form);
    if (short_form) {
      absl::StrAppendFormat(&text, " %s up %s, %s (%d)\n", ClockOfDay(now_s), uptime, domain.name,
                            domain.domid);
    } else {
      absl::StrAppendFormat(&text, "%-33s %4d %s\n", domain.name, domain.domid, uptime);
    }
  }
  return text;
}

std::string FormatVmList(absl::Span<const DomainInfo> domains) {
  std::string text = "UUID                                  ID    name\n";
  for (const DomainInfo& domain : domains) {
    absl::StrAppendFormat(&text, "%s  %d    %-30s\n", domain.uuid, domain.domid, domain.name);
  }
  return text;
}

std::string FormatDomid(const DomainInfo& domain) { return absl::StrCat(domain.domid, "\n"); }

std::string FormatDomname(const DomainInfo& domain) { return absl::StrCat(domain.name, "\n"); }

}  // namespace pyrene::xl
