// SPDX-License-Identifier: Apache-2.0
#include "proto/message.h"

#include <capnp/any.h>

#include <cstring>

#include "absl/strings/str_cat.h"

namespace pyrene::proto {
namespace {

// The first word of the flat form: low half "segments - 1", high half the first segment's words.
uint64_t FirstWord(const capnp::word& word) {
  uint64_t value;
  std::memcpy(&value, &word, sizeof(value));
  return value;
}

}  // namespace

absl::StatusOr<kj::ArrayPtr<const capnp::word>> MessageBuilder::Finish() {
  if (!builder_.has_value()) return absl::FailedPreconditionError("no message was started");
  const auto segments = builder_->getSegmentsForOutput();
  if (segments.size() != 1) {
    Clear();
    return absl::ResourceExhaustedError(
        absl::StrCat("message larger than ", kMaxMessageBytes, " bytes"));
  }
  const uint64_t first = uint64_t{segments[0].size()} << 32;
  std::memcpy(static_cast<void*>(words_.data()), &first, sizeof(first));
  return kj::arrayPtr(words_.data(), segments[0].size() + 1);
}

void ErrorTrap::onRecoverableException(kj::Exception&& exception) {
  if (caught_) return;
  caught_ = true;
  // Cap'n Proto's own words, not the peer's; cut to what a log line needs.
  std::strncpy(text_, exception.getDescription().cStr(), sizeof(text_) - 1);
}

// What is worth a line is logged by who ends the connection.
void ErrorTrap::logMessage(kj::LogSeverity, const char*, int, int, kj::String&&) {}

absl::Status ErrorTrap::status() const {
  if (!caught_) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("bad message: ", text_));
}

capnp::ReaderOptions LimitsFor(size_t words, unsigned times) {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = times * (kTraversalFactor * words + kTraversalBase);
  options.nestingLimit = kMaxNesting;
  return options;
}

absl::Status CheckForm(kj::ArrayPtr<const capnp::word> message) {
  if (message.size() < 2) return absl::InvalidArgumentError("bad message: shorter than two words");
  if (FirstWord(message[0]) != uint64_t{message.size() - 1} << 32) {
    return absl::InvalidArgumentError("bad message: not one segment of the record's length");
  }
  return absl::OkStatus();
}

void VisitAll(capnp::FlatArrayMessageReader& reader) {
  static_cast<void>(reader.getRoot<capnp::AnyPointer>().targetSize());
}

absl::Status CheckMessage(kj::ArrayPtr<const capnp::word> message) {
  if (absl::Status status = CheckForm(message); !status.ok()) return status;
  ErrorTrap trap;
  capnp::FlatArrayMessageReader reader(message, LimitsFor(message.size()));
  VisitAll(reader);
  return trap.status();
}

}  // namespace pyrene::proto
