// SPDX-License-Identifier: Apache-2.0
//
// Building and reading one Cap'n Proto message without allocation. On the wire a message is Cap'n
// Proto's flat form with one segment: a word with "segments - 1 = 0" and the segment's length in
// words, then the segment (capnproto.org/encoding.html, "Serialization Over a Stream").
//
// Whatever a peer sends: no exception leaves these classes, nothing is read outside the private
// copy, and a reader visits at most kTraversalFactor times the message (a small message with many
// pointers to one place is no bomb), at most kMaxNesting deep.
#pragma once

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/ring.h"

namespace pyrene::proto {

inline constexpr size_t kMaxMessageWords = kMaxMessageBytes / sizeof(capnp::word);
inline constexpr uint64_t kTraversalFactor = 8;
inline constexpr uint64_t kTraversalBase = 64;  // words, so that tiny messages can be read twice
inline constexpr int kMaxNesting = 8;

// Builds one message after the other in its own 8 KiB.
class MessageBuilder {
 public:
  MessageBuilder() = default;
  ~MessageBuilder() noexcept {}  // Cap'n Proto's may throw by declaration only
  MessageBuilder(const MessageBuilder&) = delete;
  MessageBuilder& operator=(const MessageBuilder&) = delete;

  // Starts a message; the former one is gone.
  template <typename Root>
  typename Root::Builder Start() {
    Clear();
    builder_.emplace(kj::arrayPtr(words_.data() + 1, words_.size() - 1),
                     capnp::AllocationStrategy::FIXED_SIZE);
    return builder_->initRoot<Root>();
  }

  // The flat form, valid until the next Start. ResourceExhausted if it became larger than
  // kMaxMessageBytes (then, and only then, memory was allocated).
  absl::StatusOr<kj::ArrayPtr<const capnp::word>> Finish();

 private:
  void Clear() { builder_.reset(); }

  // Zero but for the first word; the builder clears what it used.
  std::array<capnp::word, kMaxMessageWords> words_ = {};
  std::optional<capnp::MallocMessageBuilder> builder_;
};

// Swallows and remembers what Cap'n Proto complains about while it is in scope on this thread; the
// getters then answer defaults.
class ErrorTrap final : public kj::ExceptionCallback {
 public:
  void onRecoverableException(kj::Exception&& exception) override;
  void logMessage(kj::LogSeverity severity, const char* file, int line, int context_depth,
                  kj::String&& text) override;
  StackTraceMode stackTraceMode() override { return StackTraceMode::NONE; }

  bool caught() const { return caught_; }
  absl::Status status() const;

 private:
  bool caught_ = false;
  char text_[96] = {};
};

// Checks the flat form: InvalidArgument says what is wrong.
absl::Status CheckForm(kj::ArrayPtr<const capnp::word> message);
// Visits every object of a message once; what is wrong is caught by the ErrorTrap in scope.
void VisitAll(capnp::FlatArrayMessageReader& reader);
// Checks the flat form, and every pointer in it.
absl::Status CheckMessage(kj::ArrayPtr<const capnp::word> message);

// Checks `message`, a private copy, then calls `handler(root)` with its root, which must not
// outlive the call. An error of `handler` is passed on. A field whose type is not what the schema
// says reads as its default and makes the answer InvalidArgument after `handler` has run: as if the
// peer had sent the default as its last message.
template <typename Root, typename Handler>
absl::Status ReadMessage(kj::ArrayPtr<const capnp::word> message, Handler handler);

// The limits of a reader that goes through a message of `words` words `times` times.
capnp::ReaderOptions LimitsFor(size_t words, unsigned times = 1);

template <typename Root, typename Handler>
absl::Status ReadMessage(kj::ArrayPtr<const capnp::word> message, Handler handler) {
  if (absl::Status status = CheckForm(message); !status.ok()) return status;
  ErrorTrap trap;
  // Once to check, once for the handler.
  capnp::FlatArrayMessageReader reader(message, LimitsFor(message.size(), 2));
  VisitAll(reader);
  if (trap.caught()) return trap.status();
  const typename Root::Reader root = reader.getRoot<Root>();
  // Of another kind than the schema's: the handler would see the defaults.
  if (trap.caught()) return trap.status();
  absl::Status status = handler(root);
  if (!status.ok()) return status;
  return trap.status();
}

}  // namespace pyrene::proto
