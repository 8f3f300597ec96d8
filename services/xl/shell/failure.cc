// SPDX-License-Identifier: Apache-2.0
#include "services/xl/shell/failure.h"

#include <string>

namespace pyrene::xl {

absl::Status ToStatus(proto::Failure::Reader failure) {
  const std::string reason = failure.getReason().cStr();
  switch (failure.getCode()) {
    case proto::FailureCode::NOT_FOUND:
      return absl::NotFoundError(reason);
    case proto::FailureCode::ALREADY_EXISTS:
      return absl::AlreadyExistsError(reason);
    case proto::FailureCode::NO_MEMORY:
      return absl::ResourceExhaustedError(reason);
    case proto::FailureCode::INVALID:
      return absl::InvalidArgumentError(reason);
    case proto::FailureCode::UNSUPPORTED:
      return absl::UnimplementedError(reason);
    case proto::FailureCode::FAILED:
      break;
  }
  return absl::InternalError(reason);
}

}  // namespace pyrene::xl
