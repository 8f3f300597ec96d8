// SPDX-License-Identifier: Apache-2.0
//
// xl's commands about guests' CPUs: how many, which, and how much of them.
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/xl/command_table.h"
#include "services/xl/cpu_list.h"
#include "services/xl/guest_config.h"
#include "services/xl/messages.h"
#include "services/xl/shell/commands.h"

namespace pyrene::xl {
namespace {

uint16_t DomidOf(const Guest& guest) { return static_cast<uint16_t>(guest.info.domid); }

// Nothing, and a message: `text` is no number, or not of this range.
std::optional<uint32_t> Number(Session& session, absl::string_view what, absl::string_view text,
                               uint32_t least, uint32_t most) {
  uint32_t value = 0;
  if (absl::SimpleAtoi(text, &value) && value >= least && value <= most) return value;
  session.Print(
      absl::StrCat("xl: ", what, " is a number from ", least, " to ", most, ", not ", text, "\n"));
  return std::nullopt;
}

// A set of CPUs; `now` if it is to stay as it is. Nothing, and a message: it is none.
std::optional<CpuMask> Cpus(Session& session, absl::string_view text, CpuMask now) {
  if (text == "-") return now;
  const absl::StatusOr<CpuMask> mask = ParseCpuList(text);
  if (mask.ok()) return *mask;
  session.Print(absl::StrCat("xl: ", mask.status().message(), "\n"));
  return std::nullopt;
}

std::string ScheduleLine(const Guest& guest, const GuestConfig& config) {
  return absl::StrFormat("%-33s %4d %6d %4d\n", guest.info.name, guest.info.domid,
                         config.cpu_weight, config.cap);
}

int PrintSchedules(Session& session, const std::vector<Guest>& guests) {
  session.Print(absl::StrFormat("%-33s %4s %6s %4s\n", "Name", "ID", "Weight", "Cap"));
  for (const Guest& guest : guests) {
    const absl::StatusOr<GuestConfig> config = session.toolstack.Config(DomidOf(guest));
    if (absl::IsNotFound(config.status())) continue;  // it has just gone
    if (!config.ok()) return LibxlError(session, config.status());
    session.Print(ScheduleLine(guest, *config));
  }
  return kExitSuccess;
}

}  // namespace

int XlVcpuSet(Session& session, const ParsedOptions& options) {
  const std::optional<Guest> guest = FindGuest(session, options.arguments[0]);
  if (!guest.has_value()) return kExitFailure;
  const std::optional<uint32_t> vcpus =
      Number(session, "the number of vCPUs", options.arguments[1], 1, kMaxVcpus);
  if (!vcpus.has_value()) return kExitFailure;
  if (!options.Has(kOptionIgnoreHost)) {
    const absl::StatusOr<Machine> machine = session.toolstack.Host();
    if (!machine.ok()) return LibxlError(session, machine.status());
    if (*vcpus > machine->cpus) {
      session.Print(absl::StrCat("xl: the machine has ", machine->cpus,
                                 " CPUs: more vCPUs only with --ignore-host\n"));
      return kExitFailure;
    }
  }
  const absl::Status status =
      session.toolstack.SetVcpus(DomidOf(*guest), static_cast<uint8_t>(*vcpus));
  return status.ok() ? kExitSuccess : LibxlError(session, status);
}

int XlVcpuPin(Session& session, const ParsedOptions& options) {
  const std::optional<Guest> guest = FindGuest(session, options.arguments[0]);
  if (!guest.has_value()) return kExitFailure;
  const bool all = options.arguments[1] == "all";
  uint32_t only = 0;
  if (!all) {
    const std::optional<uint32_t> number =
        Number(session, "a vCPU", options.arguments[1], 0, kMaxVcpus - 1);
    if (!number.has_value()) return kExitFailure;
    only = *number;
  }
  bool found = false;
  for (const VcpuInfo& vcpu : guest->vcpus) {
    const auto number = static_cast<uint32_t>(vcpu.vcpu);
    if (!all && number != only) continue;
    found = true;
    const std::optional<CpuMask> hard = Cpus(session, options.arguments[2], vcpu.hard_affinity);
    const std::optional<CpuMask> soft =
        options.arguments.size() > 3 ? Cpus(session, options.arguments[3], vcpu.soft_affinity)
                                     : vcpu.soft_affinity;
    if (!hard.has_value() || !soft.has_value()) return kExitFailure;
    const absl::Status status =
        session.toolstack.SetAffinity(DomidOf(*guest), static_cast<uint8_t>(number), *hard, *soft);
    if (!status.ok()) return LibxlError(session, status);
  }
  if (found) return kExitSuccess;
  session.Print(absl::StrCat("xl: the guest has no vCPU ", only, "\n"));
  return kExitFailure;
}

int XlSchedCredit2(Session& session, const ParsedOptions& options) {
  const bool sets = options.Has('w') || options.Has('c');
  if (!options.Has('d')) {
    if (sets) {
      session.Print("xl: a weight or a cap needs a guest (-d)\n");
      return kExitFailure;
    }
    const absl::StatusOr<std::vector<Guest>> guests = session.toolstack.Guests();
    if (!guests.ok()) return LibxlError(session, guests.status());
    return PrintSchedules(session, *guests);
  }
  const std::optional<Guest> guest = FindGuest(session, std::string(options.Value('d')));
  if (!guest.has_value()) return kExitFailure;
  if (!sets) return PrintSchedules(session, {*guest});
  const absl::StatusOr<GuestConfig> config = session.toolstack.Config(DomidOf(*guest));
  if (!config.ok()) return LibxlError(session, config.status());
  auto weight = static_cast<uint32_t>(config->cpu_weight);
  auto cap = static_cast<uint32_t>(config->cap);
  if (options.Has('w')) {
    const std::optional<uint32_t> value =
        Number(session, "a weight", options.Value('w'), 1, kMaxCpuWeight);
    if (!value.has_value()) return kExitFailure;
    weight = *value;
  }
  if (options.Has('c')) {
    const std::optional<uint32_t> value =
        Number(session, "a cap", options.Value('c'), 0, 100 * config->max_vcpus);
    if (!value.has_value()) return kExitFailure;
    cap = *value;
  }
  const absl::Status status =
      session.toolstack.SetSchedule(DomidOf(*guest), static_cast<uint16_t>(weight), cap);
  return status.ok() ? kExitSuccess : LibxlError(session, status);
}

}  // namespace pyrene::xl
