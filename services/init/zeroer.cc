// SPDX-License-Identifier: Apache-2.0
#include "services/init/zeroer.h"

#include <algorithm>
#include <utility>

#include "runtime/kernel/syscall.h"

namespace pyrene::init {
namespace {

constexpr uint8_t kPriority = 4;  // the vCPUs'
// 32 MiB: at most 16 pages of page tables if it is not aligned.
constexpr uint64_t kWindowPages = 8192;

}  // namespace

absl::Status Zeroer::Start() {
  absl::StatusOr<Object> work = Object::Create("zeroer.work", sys::NotificationCreate);
  if (!work.ok()) return work.status();
  work_ = *std::move(work);
  if (absl::Status status = loop_.AddSourceAt(bit_, [this] { OnDone(); }); !status.ok())
    return status;
  absl::StatusOr<Object> thread = Object::Create("thread zeroer", [this](CapIndex index) {
    return sys::ThreadCreate(index, kSelfDomainCap, reinterpret_cast<uint64_t>(&Thread),
                             reinterpret_cast<uint64_t>(stack_.data() + stack_.size()),
                             reinterpret_cast<uint64_t>(this), {.priority = kPriority});
  });
  if (!thread.ok()) return thread.status();
  thread_ = *std::move(thread);
  return runtime::ToStatus(sys::ThreadStart(thread_.cap()), "zeroer");
}

void Zeroer::Thread(Zeroer* self) {
  for (;;) {
    static_cast<void>(sys::NotificationWait(self->work_.cap(), 1, kNoDeadline));
    ZeroPages(self->at_.load(std::memory_order_acquire),
              self->bytes_.load(std::memory_order_acquire));
    static_cast<void>(
        sys::NotificationSignal(self->loop_.notification().handle(), uint64_t{1} << self->bit_));
  }
}

void Zeroer::Add(const std::vector<Ram>* pieces, std::function<void(const absl::Status&)> done) {
  jobs_.push_back({pieces, std::move(done)});
  if (!busy_) Next();
}

void Zeroer::Cancel(const std::vector<Ram>* pieces) {
  for (Job& job : jobs_) {
    if (job.pieces == pieces) job.cancelled = true;
  }
}

void Zeroer::OnDone() {
  if (!busy_) return;
  busy_ = false;
  window_.Unmap();
  Next();
}

void Zeroer::Next() {
  while (!jobs_.empty()) {
    Job& job = jobs_.front();
    absl::Status status = job.cancelled ? absl::CancelledError() : absl::OkStatus();
    if (status.ok() && job.piece < job.pieces->size()) {
      const Ram& piece = (*job.pieces)[job.piece];
      const uint64_t pages = std::min(piece.pages() - job.page, kWindowPages);
      absl::StatusOr<runtime::Memory> window = piece.Map(job.page, pages);
      if (window.ok()) {
        window_ = *std::move(window);
        job.page += pages;
        if (job.page == piece.pages()) {
          job.page = 0;
          ++job.piece;
        }
        busy_ = true;
        at_.store(window_.data(), std::memory_order_release);
        bytes_.store(window_.size(), std::memory_order_release);
        static_cast<void>(sys::NotificationSignal(work_.cap(), 1));
        return;
      }
      status = window.status();
    }
    const std::function<void(const absl::Status&)> done = std::move(job.done);
    jobs_.pop_front();
    done(status);
  }
}

}  // namespace pyrene::init
