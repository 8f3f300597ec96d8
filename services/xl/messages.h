// SPDX-License-Identifier: Apache-2.0
// What xl's commands say beside their output, and why they fail, worded as users and scripts know
// it from Xen 4.17. Every function returns complete lines.  xl writes all of them to its standard
// error.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace pyrene::xl {

// libxl's error numbers, which some messages show.
inline constexpr int kErrorFail = -3;
inline constexpr int kErrorNoMemory = -5;
inline constexpr int kErrorInvalid = -6;
inline constexpr int kErrorTimedOut = -9;
inline constexpr int kErrorDomainNotFound = -21;

// Exit statuses of xl.
inline constexpr int kExitSuccess = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

std::string MessageInvalidDomain(absl::string_view domain, int rc = kErrorInvalid);
std::string MessageNoSuchDomain(absl::string_view domain);  // `xl list ID`
std::string MessageNoDomidOfName(absl::string_view name);   // `xl domid`
std::string MessageNoNameOfDomid(uint32_t domid);           // `xl domname`
std::string MessageInvalidDomid();                          // `xl domname` without a digit
std::string MessageNameInUse(absl::string_view name);

std::string MessageParsingConfig(absl::string_view file);
std::string MessageCannotReadConfig(absl::string_view file, absl::string_view reason);
std::string MessageNoConfigFile();

std::string MessageShuttingDown(uint32_t domid);
std::string MessageRebooting(uint32_t domid);
std::string MessageShutdownFailed(int rc);
std::string MessageRebootFailed(int rc);
std::string MessageDestroyFailed(int rc);
std::string MessageDomainOrAll();  // `xl shutdown` and `xl reboot` with neither -a nor a guest
std::string MessageWaitingFor(uint32_t count);
std::string MessageHasShutDown(uint32_t domid, uint32_t reason);
std::string MessageHasBeenDestroyed(uint32_t domid);
std::string MessageCannotAttachConsole();
std::string MessageConsoleTypes();

std::string MessageNoSuchCommand();
std::string MessageUnknownGlobalOption();
std::string MessageNoDryRun();

}  // namespace pyrene::xl
