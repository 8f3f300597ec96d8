// SPDX-License-Identifier: Apache-2.0
#include "proto/failure.h"

#include <string>

namespace pyrene::proto {
namespace {

constexpr size_t kMaxReason = 300;

FailureCode CodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
      return FailureCode::NOT_FOUND;
    case absl::StatusCode::kAlreadyExists:
      return FailureCode::ALREADY_EXISTS;
    case absl::StatusCode::kResourceExhausted:
      return FailureCode::NO_MEMORY;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kFailedPrecondition:
      return FailureCode::INVALID;
    case absl::StatusCode::kUnimplemented:
      return FailureCode::UNSUPPORTED;
    case absl::StatusCode::kAborted:
      return FailureCode::FOREIGN_JOURNAL;
    default:
      return FailureCode::FAILED;
  }
}

}  // namespace

void WriteFailure(const absl::Status& status, Failure::Builder failure) {
  failure.setCode(CodeOf(status));
  failure.setReason(std::string(status.message().substr(0, kMaxReason)));
}

absl::StatusCode CodeOf(FailureCode code) {
  switch (code) {
    case FailureCode::NOT_FOUND:
      return absl::StatusCode::kNotFound;
    case FailureCode::ALREADY_EXISTS:
      return absl::StatusCode::kAlreadyExists;
    case FailureCode::NO_MEMORY:
      return absl::StatusCode::kResourceExhausted;
    case FailureCode::INVALID:
      return absl::StatusCode::kInvalidArgument;
    case FailureCode::UNSUPPORTED:
      return absl::StatusCode::kUnimplemented;
    case FailureCode::FOREIGN_JOURNAL:
      return absl::StatusCode::kAborted;
    case FailureCode::FAILED:
      break;
  }
  return absl::StatusCode::kInternal;
}

absl::Status ToStatus(Failure::Reader failure) {
  return absl::Status(CodeOf(failure.getCode()), failure.getReason().cStr());
}

}  // namespace pyrene::proto
