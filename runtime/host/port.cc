// SPDX-License-Identifier: Apache-2.0
//
// Port on the host: one request at a time in shared memory. Handles travel between threads of one
// process only; a message that would carry one to another process is refused.
#include "runtime/port.h"

#include <unistd.h>

#include "runtime/host/objects.h"
#include "runtime/host/shared_state.h"

namespace pyrene::runtime {
namespace host {

void InitializePort(void* shared) {
  auto* const port = static_cast<SharedPort*>(shared);
  pthread_mutexattr_t mutex;
  pthread_mutexattr_init(&mutex);
  pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(&port->mutex, &mutex);
  pthread_mutexattr_destroy(&mutex);
  pthread_condattr_t changed;
  pthread_condattr_init(&changed);
  pthread_condattr_setpshared(&changed, PTHREAD_PROCESS_SHARED);
  pthread_cond_init(&port->changed, &changed);
  pthread_condattr_destroy(&changed);
}

}  // namespace host

namespace {

using host::SharedPort;
using State = host::SharedPort::State;

class Locked {
 public:
  explicit Locked(SharedPort* port) : port_(port) { pthread_mutex_lock(&port_->mutex); }
  ~Locked() { pthread_mutex_unlock(&port_->mutex); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

  void WaitFor(State state) {
    while (port_->state != state) pthread_cond_wait(&port_->changed, &port_->mutex);
  }
  void Enter(State state) {
    port_->state = state;
    pthread_cond_broadcast(&port_->changed);
  }

 private:
  SharedPort* port_;
};

void Put(SharedPort& port, const PortMessage& message) {
  port.process = getpid();
  for (unsigned i = 0; i < 8; ++i) port.word[i] = message.word[i];
  for (uint32_t& handle : port.handle) handle = kNoHandle;
  for (unsigned i = 0; i < PortMessage::kMaxHandles; ++i) {
    if (message.send[i] == kNoHandle) break;
    const absl::StatusOr<Handle> copy = host::CopyHandle(message.send[i], host::kNoBadge);
    if (copy.ok()) port.handle[i] = *copy;
  }
}

absl::Status Take(const SharedPort& port, PortMessage& message) {
  message.send = {};
  for (unsigned i = 0; i < 8; ++i) message.word[i] = port.word[i];
  for (unsigned i = 0; i < PortMessage::kMaxHandles; ++i) {
    if (port.handle[i] != kNoHandle && port.process != getpid()) {
      return absl::UnimplementedError("handles between processes of the host");
    }
    message.received[i] = OwnedHandle(port.handle[i]);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Port> Port::Create() {
  const absl::StatusOr<Handle> handle = host::CreateObject(host::Kind::kPort);
  if (!handle.ok()) return handle.status();
  return Adopt(*handle);
}

absl::Status Port::Call(PortMessage& message) const {
  const host::Object* const object = host::Find(handle_.get(), host::Kind::kPort);
  if (object == nullptr) return absl::NotFoundError("port_call: no such handle");
  auto* const port = static_cast<SharedPort*>(object->shared);
  Locked lock(port);
  lock.WaitFor(State::kIdle);
  Put(*port, message);
  port->badge = object->badge == host::kNoBadge ? 0 : object->badge;
  lock.Enter(State::kRequest);
  lock.WaitFor(State::kReply);
  absl::Status status = Take(*port, message);
  lock.Enter(State::kIdle);
  return status;
}

absl::StatusOr<uint64_t> Port::ReplyAndWait(PortMessage& message) const {
  const host::Object* const object = host::Find(handle_.get(), host::Kind::kPort);
  if (object == nullptr) return absl::NotFoundError("port_reply_wait: no such handle");
  auto* const port = static_cast<SharedPort*>(object->shared);
  Locked lock(port);
  if (port->state == State::kServing) {
    Put(*port, message);
    lock.Enter(State::kReply);
  }
  lock.WaitFor(State::kRequest);
  absl::Status status = Take(*port, message);
  lock.Enter(State::kServing);
  if (!status.ok()) return status;
  return port->badge;
}

absl::StatusOr<OwnedHandle> Port::CallHandle(uint64_t badge) const {
  const absl::StatusOr<Handle> copy = host::CopyHandle(handle_.get(), badge);
  if (!copy.ok()) return copy.status();
  return OwnedHandle(*copy);
}

}  // namespace pyrene::runtime
