// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernel/error.h"

#include "absl/strings/str_cat.h"

namespace pyrene::runtime {

absl::Status ToStatus(Status status, absl::string_view what) {
  switch (status) {
    case Status::kOk:
      return absl::OkStatus();
    case Status::kBadCall:
      return absl::UnimplementedError(absl::StrCat(what, ": no such system call"));
    case Status::kBadCap:
      return absl::NotFoundError(absl::StrCat(what, ": no such capability"));
    case Status::kBadType:
      return absl::InvalidArgumentError(absl::StrCat(what, ": capability of another type"));
    case Status::kNoRight:
      return absl::PermissionDeniedError(absl::StrCat(what, ": the capability lacks a right"));
    case Status::kBadArgument:
      return absl::InvalidArgumentError(absl::StrCat(what, ": value out of range"));
    case Status::kNoMemory:
      return absl::ResourceExhaustedError(absl::StrCat(what, ": the domain's quota is used up"));
    case Status::kBusy:
      return absl::UnavailableError(absl::StrCat(what, ": busy"));
    case Status::kOccupied:
      return absl::AlreadyExistsError(absl::StrCat(what, ": slot or address range in use"));
    case Status::kTimeout:
      return absl::DeadlineExceededError(absl::StrCat(what, ": deadline passed"));
    case Status::kGone:
      return absl::UnavailableError(absl::StrCat(what, ": object or peer is gone"));
    case Status::kNoVmid:
      return absl::ResourceExhaustedError(absl::StrCat(what, ": all VMIDs are taken"));
    case Status::kNotSupported:
      return absl::UnimplementedError(absl::StrCat(what, ": not on this machine"));
    case Status::kFault:
      return absl::OutOfRangeError(
          absl::StrCat(what, ": the guest's page tables refuse the access"));
  }
  return absl::InternalError(absl::StrCat(what, ": kernel status ", static_cast<int64_t>(status)));
}

}  // namespace pyrene::runtime
