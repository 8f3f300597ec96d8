// SPDX-License-Identifier: Apache-2.0
#include "services/xl/messages.h"

#include "absl/strings/str_cat.h"

namespace pyrene::xl {

std::string MessageInvalidDomain(absl::string_view domain, int rc) {
  return absl::StrCat(domain, " is an invalid domain identifier (rc=", rc, ")\n");
}

std::string MessageNoSuchDomain(absl::string_view domain) {
  return absl::StrCat("Error: Domain '", domain, "' does not exist.\n");
}

std::string MessageNoDomidOfName(absl::string_view name) {
  return absl::StrCat("Can't get domid of domain name '", name,
                      "', maybe this domain does not exist.\n");
}

std::string MessageNoNameOfDomid(uint32_t domid) {
  return absl::StrCat("Can't get domain name of domain id '", domid,
                      "', maybe this domain does not exist.\n");
}

std::string MessageInvalidDomid() { return "Invalid domain id.\n\n"; }

std::string MessageNameInUse(absl::string_view name) {
  return absl::StrCat("libxl: error: Domain with name \"", name, "\" already exists.\n");
}

std::string MessageParsingConfig(absl::string_view file) {
  return absl::StrCat("Parsing config from ", file, "\n");
}

std::string MessageCannotReadConfig(absl::string_view file, absl::string_view reason) {
  return absl::StrCat("Failed to read config file: ", file, ": ", reason, "\n");
}

std::string MessageNoConfigFile() { return "Config file not specified\n"; }

std::string MessageShuttingDown(uint32_t domid) {
  return absl::StrCat("Shutting down domain ", domid, "\n");
}

std::string MessageRebooting(uint32_t domid) {
  return absl::StrCat("Rebooting domain ", domid, "\n");
}

std::string MessageShutdownFailed(int rc) {
  return absl::StrCat("shutdown failed (rc=", rc, ")\n");
}

std::string MessageRebootFailed(int rc) { return absl::StrCat("reboot failed (rc=", rc, ")\n"); }

std::string MessageDestroyFailed(int rc) { return absl::StrCat("destroy failed (rc=", rc, ")\n"); }

std::string MessageDomainOrAll() { return "You must specify -a or a domain id.\n\n"; }

std::string MessageWaitingFor(uint32_t count) {
  return absl::StrCat("Waiting for ", count, " domains\n");
}

std::string MessageHasShutDown(uint32_t domid, uint32_t reason) {
  return absl::StrCat("Domain ", domid, " has been shut down, reason code ", reason, "\n");
}

std::string MessageHasBeenDestroyed(uint32_t domid) {
  return absl::StrCat("Domain ", domid, " has been destroyed\n");
}

std::string MessageCannotAttachConsole() { return "Unable to attach console\n"; }

std::string MessageConsoleTypes() { return "console type supported are: pv\n"; }

std::string MessageNoSuchCommand() { return "command not implemented\n"; }

std::string MessageUnknownGlobalOption() { return "unknown global option\n"; }

std::string MessageNoDryRun() { return "command does not implement -N (dryrun) option\n"; }

}  // namespace pyrene::xl
