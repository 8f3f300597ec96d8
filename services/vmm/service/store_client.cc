// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/service/store_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace pyrene::vmm {
namespace {

constexpr unsigned kBatch = 64;
// By number: <cerrno> makes a macro of the enumerator's name.
constexpr auto kTryAgain = static_cast<proto::XenstoreError>(10);

}  // namespace

StoreClient::Step StoreClient::WriteNode(const xl::XenstoreNode& node) {
  return {[node](proto::XenstoreRequest::Builder request) {
    auto write = request.initWrite();
    write.setPath(node.path);
    write.setValue({reinterpret_cast<const kj::byte*>(node.value.data()), node.value.size()});
  }};
}

StoreClient::Step StoreClient::SetPermissions(const xl::XenstoreNode& node) {
  return {[node](proto::XenstoreRequest::Builder request) {
    auto set = request.initSetPermissions();
    set.setPath(node.path);
    auto list = set.initPermissions(static_cast<unsigned>(node.permissions.size()));
    for (unsigned i = 0; i < list.size(); ++i)
      list.set(i, xl::FormatPermission(node.permissions[i]));
  }};
}

StoreClient::Step StoreClient::Remove(const std::string& path) {
  return {[path](proto::XenstoreRequest::Builder request) { request.setRemove(path); }, true};
}

StoreClient::Step StoreClient::Read(std::string path,
                                    std::function<void(absl::string_view)> value) {
  return {[path = std::move(path)](proto::XenstoreRequest::Builder request) {
            request.setRead(path.c_str());
          },
          true, std::move(value)};
}

void StoreClient::Watch(std::string path, std::function<void()> changed) {
  Watched watched{std::move(path), std::move(changed)};
  const auto place = std::find_if(watches_.begin(), watches_.end(),
                                  [](const Watched& watch) { return watch.changed == nullptr; });
  if (place != watches_.end()) {
    *place = std::move(watched);
  } else {
    watches_.push_back(std::move(watched));
  }
}

void StoreClient::Unwatch(const std::string& path) {
  const auto watched = std::find_if(
      watches_.begin(), watches_.end(),
      [&path](const Watched& watch) { return watch.changed != nullptr && watch.path == path; });
  if (watched == watches_.end()) return;
  watched->changed = nullptr;
  const std::string token = std::to_string(watched - watches_.begin());
  RunNext({{[path, token](proto::XenstoreRequest::Builder request) {
              auto unwatch = request.initUnwatch();
              unwatch.setPath(path.c_str());
              unwatch.setToken(token.c_str());
            },
            true}},
          {}, [](const absl::Status&) {});
}

void StoreClient::RunNext(Steps steps, Steps in_transaction, Done done) {
  waiting_.push_back({std::move(steps), std::move(in_transaction), std::move(done)});
  if (!running()) StartNext();
}

void StoreClient::StartNext() {
  if (waiting_.empty()) return;
  Waiting next = std::move(waiting_.front());
  waiting_.pop_front();
  before_ = std::move(next.before);
  inside_ = std::move(next.inside);
  after_.clear();
  done_ = std::move(next.done);
  Restart();
}

void StoreClient::Run(Steps outside, Steps in_transaction, Steps after, Done done) {
  before_ = std::move(outside);
  inside_ = std::move(in_transaction);
  after_ = std::move(after);
  waiting_.clear();
  done_ = std::move(done);
  Restart();
}

void StoreClient::Restart() {
  phase_ = Phase::kBefore;
  sent_ = answered_ = 0;
  first_id_ = next_id_;
  transaction_ = 0;
}

const StoreClient::Steps& StoreClient::Current() const {
  static const Steps one(1);
  switch (phase_) {
    case Phase::kBefore:
      return before_;
    case Phase::kInside:
      return inside_;
    case Phase::kAfter:
      return after_;
    case Phase::kStart:
    case Phase::kEnd:
      break;
  }
  return one;
}

void StoreClient::OnWake() {
  if (channel_.Update() != proto::Channel::State::kUp) return;
  if (channel_.epoch() != epoch_) {
    // A new life of xenstore, or the first: nothing that was sent before is answered any more.
    epoch_ = channel_.epoch();
    for (Watched& watch : watches_) watch.told = false;
    Restart();
  }
  while (channel_.Receive<proto::XenstoreReply>(kBatch, [this](auto reply) {
    Handle(reply);
    return absl::OkStatus();
  })) {
  }
  SendMore();
  channel_.Flush();
}

void StoreClient::Handle(proto::XenstoreReply::Reader reply) {
  if (reply.isEvent()) {
    const absl::string_view token = reply.getEvent().getToken().cStr();
    size_t index;
    if (!absl::SimpleAtoi(token, &index) || index >= watches_.size()) return;
    // A copy: it may end the watch.
    if (const std::function<void()> changed = watches_[index].changed; changed != nullptr)
      changed();
    return;
  }
  if (!reply.isDone() || !running()) return;
  const auto answer = reply.getDone();
  if (answer.getId() - first_id_ >= next_id_ - first_id_) return;
  const proto::XenstoreError error = answer.getError();
  if (phase_ == Phase::kEnd && error == kTryAgain) {
    // Somebody else changed what we read or wrote: the transaction once more.
    phase_ = Phase::kStart;
    sent_ = answered_ = 0;
    first_id_ = next_id_;
    return;
  }
  const size_t index = answered_++;
  const Step* const step = index < Current().size() ? &Current()[index] : nullptr;
  const bool may_fail = step != nullptr && step->may_fail;
  if (error != proto::XenstoreError::OK && !may_fail)
    return Finish(absl::InternalError(absl::StrCat(
        "XenStore refuses a request (error ", static_cast<int>(error), ", step ", index, ")")));
  if (error == proto::XenstoreError::OK && step != nullptr && step->value) {
    const auto value = answer.getValue().asChars();
    step->value({value.begin(), value.size()});
  }
  if (phase_ == Phase::kStart) {
    const auto value = answer.getValue().asChars();
    if (!absl::SimpleAtoi(absl::string_view(value.begin(), value.size()), &transaction_))
      return Finish(absl::InternalError("XenStore gave no transaction"));
  }
  if (answered_ == Current().size()) Advance();
}

void StoreClient::Advance() {
  while (running() && answered_ >= Current().size()) {
    if (phase_ == Phase::kEnd) transaction_ = 0;
    if (phase_ == Phase::kAfter || (phase_ == Phase::kBefore && inside_.empty() && after_.empty()))
      return Finish(absl::OkStatus());
    phase_ = static_cast<Phase>(static_cast<uint8_t>(phase_) + 1);
    sent_ = answered_ = 0;
    first_id_ = next_id_;
  }
}

void StoreClient::Finish(absl::Status status) {
  Done done = std::exchange(done_, nullptr);
  if (done) done(std::move(status));
  if (!running()) StartNext();
}

bool StoreClient::SendOne() {
  auto request = builder_.Start<proto::XenstoreRequest>();
  request.setId(next_id_);
  switch (phase_) {
    case Phase::kStart:
      request.setTransactionStart();
      break;
    case Phase::kEnd:
      request.setTransaction(transaction_);
      request.setTransactionEnd(true);
      break;
    case Phase::kInside:
      request.setTransaction(transaction_);
      [[fallthrough]];
    case Phase::kBefore:
    case Phase::kAfter:
      Current()[sent_].fill(request);
      break;
  }
  if (!channel_.Send(builder_).ok()) return false;  // no room: xenstore signals when there is
  ++next_id_;
  ++sent_;
  return true;
}

void StoreClient::SendMore() {
  if (epoch_ == 0) return;
  // Their answers are not waited for: id 0 is no run's.
  for (Watched& watch : watches_) {
    if (watch.told || watch.changed == nullptr) continue;
    auto request = builder_.Start<proto::XenstoreRequest>().initWatch();
    request.setPath(watch.path.c_str());
    request.setToken(std::to_string(&watch - watches_.data()).c_str());
    if (!channel_.Send(builder_).ok()) return;
    watch.told = true;
  }
  if (!running()) return;
  Advance();
  while (running() && sent_ < Current().size() && sent_ - answered_ < kWindow) {
    if (!SendOne()) return;
  }
}

}  // namespace pyrene::vmm
