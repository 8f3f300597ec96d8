// SPDX-License-Identifier: Apache-2.0
//
// xl's commands that list guests.
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "services/xl/format.h"
#include "services/xl/list_json.h"
#include "services/xl/messages.h"
#include "services/xl/shell/commands.h"

namespace pyrene::xl {
namespace {

std::vector<DomainInfo> InfosOf(const std::vector<Guest>& guests) {
  std::vector<DomainInfo> infos;
  infos.reserve(guests.size());
  for (const Guest& guest : guests) infos.push_back(guest.info);
  return infos;
}

// The guests that the arguments name, in their order; all without arguments. One that does not
// exist gets a message, and `status` becomes kExitFailure.
std::vector<Guest> Select(Session& session, const std::vector<Guest>& guests,
                          const std::vector<std::string>& arguments, int& status) {
  if (arguments.empty()) return guests;
  std::vector<Guest> selected;
  for (const std::string& argument : arguments) {
    if (const Guest* guest = SelectGuest(guests, argument); guest != nullptr) {
      selected.push_back(*guest);
      continue;
    }
    session.Print(
        MessageInvalidDomain(argument, IsDomid(argument) ? kErrorDomainNotFound : kErrorInvalid));
    status = kExitFailure;
  }
  return selected;
}

// What is known without its configuration.
GuestConfig ConfigOf(const Guest& guest) {
  GuestConfig config;
  config.name = guest.info.name;
  config.uuid = guest.info.uuid;
  config.memory_mib = static_cast<int64_t>(guest.info.memory_kib / 1024);
  config.max_memory_mib = static_cast<int64_t>(guest.max_memory_kib / 1024);
  config.vcpus = static_cast<int>(guest.info.vcpus_online);
  config.max_vcpus = static_cast<int>(guest.vcpus.size());
  return config;
}

int ListLong(Session& session, const std::vector<Guest>& guests) {
  const absl::StatusOr<Machine> machine = session.toolstack.Host();
  if (!machine.ok()) return LibxlError(session, machine.status());
  std::vector<DomainDetails> details;
  for (const Guest& guest : guests) {
    const absl::StatusOr<GuestConfig> config =
        session.toolstack.Config(static_cast<uint16_t>(guest.info.domid));
    if (absl::IsNotFound(config.status())) continue;  // it went away meanwhile
    if (!config.ok() && !absl::IsUnimplemented(config.status()))
      return LibxlError(session, config.status());
    details.push_back({guest.info.domid, config.ok() ? *config : ConfigOf(guest)});
  }
  session.Print(FormatListJson(details, static_cast<int>(machine->cpus)));
  return kExitSuccess;
}

}  // namespace

int XlList(Session& session, const ParsedOptions& options) {
  absl::StatusOr<std::vector<Guest>> guests = session.toolstack.Guests();
  if (!guests.ok()) return LibxlError(session, guests.status());
  if (!options.arguments.empty()) {
    const Guest* const guest = SelectGuest(*guests, options.arguments[0]);
    if (guest == nullptr) {
      session.Print(IsDomid(options.arguments[0]) ? MessageNoSuchDomain(options.arguments[0])
                                                  : MessageInvalidDomain(options.arguments[0]));
      return kExitFailure;
    }
    guests = std::vector<Guest>{*guest};
  }
  if (options.Has('l')) return ListLong(session, *guests);
  ListOptions list;
  list.verbose = options.Has('v');
  list.context = options.Has('Z');
  list.cpupool = options.Has('c');
  list.numa = options.Has('n');
  session.Print(FormatList(InfosOf(*guests), list));
  return kExitSuccess;
}

int XlVcpuList(Session& session, const ParsedOptions& options) {
  const absl::StatusOr<std::vector<Guest>> guests = session.toolstack.Guests();
  if (!guests.ok()) return LibxlError(session, guests.status());
  const absl::StatusOr<Machine> machine = session.toolstack.Host();
  if (!machine.ok()) return LibxlError(session, machine.status());
  int status = kExitSuccess;
  std::vector<VcpuInfo> vcpus;
  for (const Guest& guest : Select(session, *guests, options.arguments, status))
    vcpus.insert(vcpus.end(), guest.vcpus.begin(), guest.vcpus.end());
  if (status == kExitSuccess || !vcpus.empty())
    session.Print(FormatVcpuList(vcpus, static_cast<int>(machine->cpus)));
  return status;
}

int XlVmList(Session& session, const ParsedOptions&) {
  const absl::StatusOr<std::vector<Guest>> guests = session.toolstack.Guests();
  if (!guests.ok()) return LibxlError(session, guests.status());
  session.Print(FormatVmList(InfosOf(*guests)));
  return kExitSuccess;
}

int XlUptime(Session& session, const ParsedOptions& options) {
  const absl::StatusOr<std::vector<Guest>> guests = session.toolstack.Guests();
  if (!guests.ok()) return LibxlError(session, guests.status());
  int status = kExitSuccess;
  const std::vector<Guest> selected = Select(session, *guests, options.arguments, status);
  if (status != kExitSuccess) return status;  // like Xen's xl, not even the heading
  const int64_t now = static_cast<int64_t>(runtime::WallClockNow() / runtime::kSecond);
  session.Print(FormatUptime(InfosOf(selected), now, options.Has('s')));
  return kExitSuccess;
}

int XlDomid(Session& session, const ParsedOptions& options) {
  const std::string& name = options.arguments[0];
  const absl::StatusOr<std::vector<Guest>> guests = session.toolstack.Guests();
  if (!guests.ok()) return LibxlError(session, guests.status());
  for (const Guest& guest : *guests) {
    if (guest.info.name != name) continue;
    session.Print(FormatDomid(guest.info));
    return kExitSuccess;
  }
  session.Print(MessageNoDomidOfName(name));
  return kExitFailure;
}

int XlDomname(Session& session, const ParsedOptions& options) {
  const std::string& argument = options.arguments[0];
  uint32_t domid = 0;
  if (!IsDomid(argument) || !absl::SimpleAtoi(argument, &domid)) {
    session.Print(MessageInvalidDomid());
    return kExitFailure;
  }
  const absl::StatusOr<std::vector<Guest>> guests = session.toolstack.Guests();
  if (!guests.ok()) return LibxlError(session, guests.status());
  const Guest* const guest = SelectGuest(*guests, argument);
  if (guest == nullptr) {
    session.Print(MessageNoNameOfDomid(domid));
    return kExitFailure;
  }
  session.Print(FormatDomname(guest->info));
  return kExitSuccess;
}

}  // namespace pyrene::xl
