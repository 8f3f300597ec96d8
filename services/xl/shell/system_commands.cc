// SPDX-License-Identifier: Apache-2.0
//
// Commands about the machine and the domains that Pyrene consists of.
#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/civil_time.h"
#include "services/xl/messages.h"
#include "services/xl/ps_format.h"
#include "services/xl/shell/commands.h"

namespace pyrene::xl {
namespace {

constexpr absl::CivilSecond kEpoch(1970, 1, 1, 0, 0, 0);
// A signed count of nanoseconds ends in 2262.
constexpr int kLastYear = 2261;

// "Thu Nov 22 19:37:11 UTC 2025", as date prints it in the C locale.
std::string FormatDate(int64_t seconds) {
  constexpr absl::string_view kDays[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
  constexpr absl::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const absl::CivilSecond time = kEpoch + seconds;
  const int day = static_cast<int>(absl::GetWeekday(absl::CivilDay(time)));
  return absl::StrFormat("%s %s %2d %02d:%02d:%02d UTC %d\n", kDays[day], kMonths[time.month() - 1],
                         time.day(), time.hour(), time.minute(), time.second(), time.year());
}

// "YYYY-MM-DD HH:MM[:SS]", with a T or a blank between. Nothing: it is not.
std::optional<int64_t> ParseDate(const std::string& text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  int end = -1;
  const int fields = std::sscanf(text.c_str(), "%4d-%2d-%2d%*1[ T]%2d:%2d%n:%2d%n", &year, &month,
                                 &day, &hour, &minute, &end, &second, &end);
  if (fields < 5 || end != static_cast<int>(text.size())) return std::nullopt;
  const absl::CivilSecond time(year, month, day, hour, minute, second);
  // CivilSecond makes the 30th of February a day in March.
  const bool exists = time.year() == year && time.month() == month && time.day() == day &&
                      time.hour() == hour && time.minute() == minute && time.second() == second;
  if (!exists || year < 1970 || year > kLastYear) return std::nullopt;
  return time - kEpoch;
}

// Ends the machine, after all text has left the UART.
int EndMachine(Session& session, absl::string_view command,
               absl::Status (Toolstack::*operation)()) {
  session.terminal.Drain(5 * runtime::kSecond);
  const absl::Status status = (session.toolstack.*operation)();
  if (!absl::IsDeadlineExceeded(status)) return Fail(session, command, status);
  session.Print(absl::StrCat(command, ": error: the machine goes on\n"));
  return kExitFailure;
}

}  // namespace

int Ps(Session& session, const ParsedOptions& options) {
  const bool capabilities = options.Has('c');
  const absl::StatusOr<std::vector<ServiceInfo>> services =
      session.toolstack.Services(capabilities);
  if (!services.ok()) return Fail(session, "ps", services.status());
  if (capabilities) {
    session.Print(FormatCapabilities(*services));
    return kExitSuccess;
  }
  const absl::StatusOr<Machine> machine = session.toolstack.Host();
  if (!machine.ok()) return Fail(session, "ps", machine.status());
  session.Print(FormatPs(*services, machine->unused_kib));
  return kExitSuccess;
}

int Kill(Session& session, const ParsedOptions& options) {
  const absl::Status status = session.toolstack.Kill(options.arguments[0]);
  return status.ok() ? kExitSuccess : Fail(session, "kill", status);
}

int Repair(Session& session, const ParsedOptions& options) {
  const absl::Status status = session.toolstack.Repair(options.arguments[0]);
  return status.ok() ? kExitSuccess : Fail(session, "repair", status);
}

int Date(Session& session, const ParsedOptions& options) {
  if (options.arguments.empty()) {
    session.Print(FormatDate(static_cast<int64_t>(runtime::WallClockNow() / runtime::kSecond)));
    return kExitSuccess;
  }
  const std::string text = absl::StrJoin(options.arguments, " ");
  const std::optional<int64_t> seconds = ParseDate(text);
  if (!seconds.has_value()) {
    session.Print(absl::StrCat("date: invalid date '", text, "': want YYYY-MM-DD HH:MM:SS\n"));
    return kExitFailure;
  }
  const absl::Status status =
      session.toolstack.SetClock(*seconds * static_cast<int64_t>(runtime::kSecond));
  if (!status.ok()) return Fail(session, "date", status);
  session.Print(FormatDate(*seconds));
  return kExitSuccess;
}

int Reboot(Session& session, const ParsedOptions&) {
  return EndMachine(session, "reboot", &Toolstack::Reboot);
}

int Poweroff(Session& session, const ParsedOptions&) {
  return EndMachine(session, "poweroff", &Toolstack::PowerOff);
}

int Echo(Session& session, const ParsedOptions& options) {
  session.Print(absl::StrCat(absl::StrJoin(options.arguments, " "), options.Has('n') ? "" : "\n"));
  return kExitSuccess;
}

}  // namespace pyrene::xl
