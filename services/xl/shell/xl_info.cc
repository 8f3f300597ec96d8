// SPDX-License-Identifier: Apache-2.0
//
// `xl info` and `xl dmesg`.
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/xl/info_format.h"
#include "services/xl/messages.h"
#include "services/xl/shell/commands.h"

namespace pyrene::xl {
namespace {

constexpr char kRelease[] = "0.1";
constexpr size_t kMaxCommandLine = 4096;
// Some times what console keeps: the log may grow as fast as it is read.
constexpr size_t kMaxLogBytes = 1 << 20;

HostInfo ToHostInfo(const Machine& machine) {
  HostInfo host;
  host.host = "pyrene";
  host.release = kRelease;
  host.version = absl::StrFormat("Pyrene on %s, MIDR 0x%08x", machine.model, machine.midr);
  host.nr_cpus = machine.cpus;
  host.max_cpu_id = machine.cpus == 0 ? 0 : machine.cpus - 1;
  host.cores_per_socket = machine.cpus;
  host.cpu_khz = static_cast<uint32_t>(machine.counter_hz / 1000);
  host.virt_caps = "hvm hap gnttab-v1";
  host.total_memory_mib = machine.total_kib / 1024;
  host.free_memory_mib = machine.free_kib / 1024;
  host.free_cpus = machine.free_cpus;
  // As the guests see it: services/vmm/xen_version.cc.
  host.xen_extra = "-pyrene";
  host.xen_caps = "xen-3.0-aarch64 ";
  host.scheduler = "pyrene";
  host.platform_params = "virt_start=0x0";
  host.compiler = "g++ " __VERSION__;
  host.compile_by = "pyrene";
  for (uint32_t cpu = 0; cpu < machine.cpus; ++cpu) host.topology.push_back({cpu, 0, 0});
  host.nodes.push_back({host.total_memory_mib, host.free_memory_mib, {10}});
  return host;
}

// The log is text of all services, so of those too that a guest has taken over: nothing of it may
// move the terminal's cursor.
std::string Printable(absl::string_view text) {
  std::string printable(text);
  for (char& c : printable) {
    if (c != '\n' && c != '\t' && !absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
  }
  return printable;
}

}  // namespace

int XlInfo(Session& session, const ParsedOptions& options) {
  const absl::StatusOr<Machine> machine = session.toolstack.Host();
  if (!machine.ok()) return LibxlError(session, machine.status());
  HostInfo host = ToHostInfo(*machine);
  const absl::StatusOr<std::string> command_line =
      session.files.ReadFile("cmdline", kMaxCommandLine);
  if (command_line.ok()) {
    host.command_line = std::string(absl::StripAsciiWhitespace(absl::string_view(*command_line)));
  } else if (!absl::IsNotFound(command_line.status())) {
    return LibxlError(session, command_line.status());
  }
  InfoOptions info;
  info.numa = options.Has('n');
  info.xenstore = options.Has('x');
  if (!options.arguments.empty()) info.key = options.arguments[0];
  session.Print(FormatInfo(host, info));
  return kExitSuccess;
}

int XlDmesg(Session& session, const ParsedOptions& options) {
  uint64_t position = 0;
  size_t printed = 0;
  while (printed < kMaxLogBytes) {
    const absl::StatusOr<Terminal::LogPart> part = session.terminal.ReadLog(position);
    if (!part.ok()) return LibxlError(session, part.status());
    if (part->text.empty()) break;
    session.Print(Printable(part->text));
    printed += part->text.size();
    position = part->position + part->text.size();
  }
  if (!options.Has('c')) return kExitSuccess;
  const absl::Status cleared = session.terminal.ClearLog();
  return cleared.ok() ? kExitSuccess : LibxlError(session, cleared);
}

}  // namespace pyrene::xl
