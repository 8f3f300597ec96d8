// SPDX-License-Identifier: Apache-2.0
#include "services/xl/shell/session.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/xl/messages.h"

namespace pyrene::xl {

int Fail(Session& session, absl::string_view who, const absl::Status& status) {
  if (!absl::IsCancelled(status)) {
    const absl::string_view why = status.message();
    session.Print(absl::StrCat(who, ": error: ", why, "\n"));
  }
  return kExitFailure;
}

bool IsDomid(absl::string_view argument) {
  return !argument.empty() && std::all_of(argument.begin(), argument.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
}

const Guest* SelectGuest(const std::vector<Guest>& guests, const std::string& argument) {
  uint32_t domid = 0;
  const bool by_domid = IsDomid(argument);
  if (by_domid && !absl::SimpleAtoi(argument, &domid)) return nullptr;
  for (const Guest& guest : guests) {
    if (by_domid ? guest.info.domid == domid : guest.info.name == argument) return &guest;
  }
  return nullptr;
}

std::optional<Guest> FindGuest(Session& session, const std::string& argument) {
  const absl::StatusOr<std::vector<Guest>> guests = session.toolstack.Guests();
  if (!guests.ok()) {
    LibxlError(session, guests.status());
    return std::nullopt;
  }
  const Guest* const guest = SelectGuest(*guests, argument);
  if (guest != nullptr) return *guest;
  session.Print(
      MessageInvalidDomain(argument, IsDomid(argument) ? kErrorDomainNotFound : kErrorInvalid));
  return std::nullopt;
}

}  // namespace pyrene::xl
