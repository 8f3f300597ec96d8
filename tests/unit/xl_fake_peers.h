// SPDX-License-Identifier: Apache-2.0
//
// xl's peers as tests play them: console, init and xenstore at the other ends of xl's channels,
// on the same event loop and thread. They answer like the real ones what the tests ask for, can be
// deaf, and can be restarted.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/channel.h"
#include "proto/connect.h"
#include "proto/console.capnp.h"
#include "proto/toolstack.capnp.h"
#include "proto/xenstore.capnp.h"
#include "runtime/event_loop.h"
#include "runtime/host/objects.h"
#include "services/xl/disk_message.h"
#include "services/xl/shell/waiter.h"

namespace pyrene::xl {

// A channel whose client is xl, and its server's end.
template <typename Request, typename Reply>
class FakePeer {
 public:
  using Fill = std::function<void(typename Reply::Builder)>;

  FakePeer(runtime::EventLoop& loop, unsigned client_bit, unsigned server_bit,
           unsigned pool_pages = 0)
      : loop_(loop),
        client_bit_(client_bit),
        server_bit_(server_bit),
        handle_(*runtime::host::CreateObject(runtime::host::Kind::kMemory,
                                             (9 + pool_pages) * runtime::kPageBytes)) {
    proto::FormatChannel(init_.data(), init_.size(), kSchema, 16384).IgnoreError();
    Open();
    loop_.AddSourceAt(server_bit_, [this] { Serve(); }).IgnoreError();
    loop_.notification().Signal(uint64_t{1} << server_bit_);
  }
  virtual ~FakePeer() = default;

  proto::Channel TakeClient() {
    return proto::Channel("test", *runtime::Memory::Map(handle_.get(), runtime::Access::kReadWrite),
                          Bell(server_bit_), proto::Side::kClient, kSchema);
  }

  // Its next life, soon. What it has not read is lost, and so is what it has not sent.
  void Restart() {
    restarts_ = true;
    deaf = true;
    loop_.notification().Signal(uint64_t{1} << server_bit_);
  }

  void Send(const Fill& fill) {
    if (restarts_) return;
    queue_.push_back(fill);
    loop_.notification().Signal(uint64_t{1} << server_bit_);
  }

  bool deaf = false;  // reads nothing
  bool slow = false;  // says nothing

 protected:
  virtual void Handle(typename Request::Reader request) = 0;
  virtual void OnConnected() {}
  const proto::Pool& pool() const { return server_->pool(); }

 private:
  static constexpr uint64_t kSchema = proto::SchemaId<Request>();

  runtime::Notification Bell(unsigned bit) {
    return runtime::Notification::Adopt(
        loop_.notification().SignalHandle(uint64_t{1} << bit)->Release());
  }
  void Open() {
    server_ = std::make_unique<proto::Channel>(
        "fake", *runtime::Memory::Map(handle_.get(), runtime::Access::kReadWrite),
        Bell(client_bit_), proto::Side::kServer, kSchema);
    connected_ = false;
  }
  void BeginNextLife() {
    restarts_ = false;
    deaf = false;
    queue_.clear();
    proto::StartEpoch(init_.data(), ++epoch_);
    Open();
    loop_.notification().Signal(uint64_t{1} << client_bit_);
  }
  void Serve() {
    if (restarts_) BeginNextLife();
    if (server_->Update() != proto::Channel::State::kUp) return;
    if (!std::exchange(connected_, true)) OnConnected();
    while (!deaf && server_->template Receive<Request>(1, [this](typename Request::Reader request) {
      Handle(request);
      return absl::OkStatus();
    })) {
    }
    while (!restarts_ && !slow && !queue_.empty()) {
      queue_.front()(builder_.template Start<Reply>());
      if (!server_->Send(builder_).ok()) break;
      queue_.pop_front();
    }
    server_->Flush();
  }

  runtime::EventLoop& loop_;
  unsigned client_bit_;
  unsigned server_bit_;
  runtime::OwnedHandle handle_;
  runtime::Memory init_ = *runtime::Memory::Map(handle_.get(), runtime::Access::kReadWrite);
  uint32_t epoch_ = 1;
  std::unique_ptr<proto::Channel> server_;
  proto::MessageBuilder builder_;
  bool connected_ = false;
  bool restarts_ = false;
  std::deque<Fill> queue_;
};

// The serial line with an operator: a dialogue of "when this was shown, do that".
class FakeConsole : public FakePeer<proto::ConsoleRequest, proto::ConsoleEvent> {
 public:
  using FakePeer::FakePeer;
  using Action = std::function<void()>;

  // As soon as `text` was shown behind what the step before has found.
  void When(std::string text, Action action) {
    steps_.emplace_back(std::move(text), std::move(action));
  }

  void Type(const std::string& text) {
    const uint32_t id = ++input_id_;
    Send([text, id](auto event) {
      event.setId(id);
      event.setInput({reinterpret_cast<const kj::byte*>(text.data()), text.size()});
    });
  }
  // The guest at the line, gone or left.
  void EndAttachment(proto::DetachReason reason) {
    attached = 0;
    Send([reason](auto event) { event.setDetached(reason); });
  }

  uint16_t attached = 0;
  std::string shown;
  std::string log;
  uint64_t log_start = 0;
  unsigned inputs_taken = 0;
  bool takes_text = true;             // says so
  std::vector<uint16_t> guests;       // that can be attached to
  std::function<void()> on_attached;  // a guest's

 protected:
  void OnConnected() override {
    const uint16_t domid = attached;
    Send([domid](auto event) {
      if (domid != 0) {
        event.setAttached(domid);
      } else {
        event.setDetached(proto::DetachReason::REQUESTED);
      }
    });
  }

  void Handle(proto::ConsoleRequest::Reader request) override {
    const uint32_t id = request.getId();
    switch (request.which()) {
      case proto::ConsoleRequest::TERMINAL_WRITE: {
        const auto text = request.getTerminalWrite().asChars();
        shown.append(text.begin(), text.size());
        if (takes_text) Answer(id, [](auto event) { event.setTaken(); });
        Advance();
        break;
      }
      case proto::ConsoleRequest::ATTACH: {
        const uint16_t domid = request.getAttach();
        if (std::find(guests.begin(), guests.end(), domid) == guests.end()) {
          Answer(id, [](auto event) { event.setFailed("no such guest"); });
          break;
        }
        attached = domid;
        Answer(id, [domid](auto event) { event.setAttached(domid); });
        if (on_attached) on_attached();
        break;
      }
      case proto::ConsoleRequest::DETACH:
        attached = 0;
        Answer(id, [](auto event) { event.setDetached(proto::DetachReason::REQUESTED); });
        break;
      case proto::ConsoleRequest::READ_LOG: {
        const uint64_t position = std::max(request.getReadLog().getPosition(), log_start);
        const std::string part = position < log.size() ? log.substr(position, 10) : std::string();
        Answer(id, [position, part](auto event) {
          auto log_part = event.initLog();
          log_part.setPosition(position);
          log_part.setText({reinterpret_cast<const kj::byte*>(part.data()), part.size()});
        });
        break;
      }
      case proto::ConsoleRequest::CLEAR_LOG:
        log_start = log.size();
        break;
      case proto::ConsoleRequest::FLUSH:
        Answer(id, [](auto event) { event.setFlushed(); });
        break;
      case proto::ConsoleRequest::INPUT_TAKEN:
        ++inputs_taken;
        break;
      default:
        break;
    }
  }

 private:
  void Answer(uint32_t id, const Fill& fill) {
    Send([id, fill](auto event) {
      event.setId(id);
      fill(event);
    });
  }
  void Advance() {
    while (!steps_.empty()) {
      const size_t found = shown.find(steps_.front().first, mark_);
      if (found == std::string::npos) return;
      mark_ = found + steps_.front().first.size();
      const Action action = steps_.front().second;
      steps_.pop_front();
      action();
    }
  }

  uint32_t input_id_ = 0;
  size_t mark_ = 0;
  std::deque<std::pair<std::string, Action>> steps_;
};

class FakeInit : public FakePeer<proto::ToolstackRequest, proto::ToolstackReply> {
 public:
  using FakePeer::FakePeer;

  struct Guest {
    std::string name;
    bool paused = false;
    uint64_t memory_kib = 131072;
    std::vector<DiskSpec> disks = {};
  };
  std::map<uint16_t, Guest> guests;
  std::map<std::string, std::string> files;
  std::vector<std::string> done;  // what was asked for and changes something
  std::string failure;            // of the next such request
  proto::FailureCode failure_code = proto::FailureCode::FAILED;
  uint16_t next_domid = 1;
  std::function<void()> on_create;  // before the answer

  void Event(const std::function<void(proto::GuestEvent::Builder)>& fill) {
    Send([fill](auto reply) { fill(reply.initGuestEvent()); });
  }

 protected:
  using Request = proto::ToolstackRequest;

  void Handle(Request::Reader request) override {
    const uint32_t id = request.getId();
    switch (request.which()) {
      case Request::CREATE_GUEST: {
        const auto config = request.getCreateGuest();
        if (Failed(id)) break;
        const uint16_t domid = next_domid++;
        guests[domid] = {
            config.getName().cStr(), config.getStartPaused(), config.getMemoryKib(), {}};
        done.push_back(absl::StrCat("create ", config.getName().cStr(), " ",
                                    config.getCommandLine().cStr(),
                                    config.getStartPaused() ? " paused" : ""));
        for (const auto disk : config.getDisks()) {
          guests[domid].disks.push_back(DiskFromMessage(disk));
          if (disk.isFile())
            absl::StrAppend(&done.back(), " disk ", disk.getTarget().cStr(), " of file ",
                            disk.getFile().cStr());
        }
        if (on_create) on_create();
        Answer(id, [domid](auto reply) { reply.setCreated(domid); });
        break;
      }
      case Request::DESTROY_GUEST:
        done.push_back(absl::StrCat("destroy ", request.getDestroyGuest()));
        guests.erase(request.getDestroyGuest());
        Done(id);
        break;
      case Request::LIST_GUESTS:
        ListGuests(id);
        break;
      case Request::LIST_SERVICES:
        ListServices(id, request.getListServices().getCapabilities());
        break;
      case Request::KILL_SERVICE:
        done.push_back(absl::StrCat("kill ", request.getKillService().cStr()));
        Done(id);
        break;
      case Request::REPAIR_SERVICE:
        done.push_back(absl::StrCat("repair ", request.getRepairService().cStr()));
        Done(id);
        break;
      case Request::HOST_INFO:
        Answer(id, [](auto reply) {
          auto host = reply.initHost();
          host.setMachine("Board");
          host.setCpus(4);
          host.setCounterHz(54000000);
          host.setTotalKib(960 * 1024);
          host.setFreeKib(900 * 1024);
        });
        break;
      case Request::POWER_OFF:
        done.emplace_back("power off");
        break;
      case Request::GUEST_CONFIG: {
        const uint16_t domid = request.getGuestConfig();
        if (Failed(id)) break;
        Answer(id, [this, domid](auto reply) {
          auto config = reply.initConfig();
          config.setName(guests[domid].name.c_str());
          config.setKernel("guests/vmlinuz");
          config.setMemoryKib(guests[domid].memory_kib);
          config.setVcpus(1);
          const std::vector<DiskSpec>& disks = guests[domid].disks;
          auto list = config.initDisks(static_cast<unsigned>(disks.size()));
          for (unsigned i = 0; i < disks.size(); ++i) WriteDisk(disks[i], list[i]);
          config.setMaxVcpus(2);
          config.setOnCrash(proto::Action::PRESERVE);
        });
        break;
      }
      case Request::SET_CLOCK:
        done.push_back(absl::StrCat("clock ", request.getSetClock()));
        Done(id);
        break;
      case Request::LIST_FILES:
        ListFiles(id, request.getListFiles().cStr());
        break;
      case Request::READ_FILE:
        ReadFile(id, request.getReadFile());
        break;
      case Request::GUEST_CONTROL: {
        const auto control = request.getGuestControl();
        const uint16_t domid = control.getDomid();
        if (Failed(id)) break;
        if (control.isRename()) guests[domid].name = control.getRename().cStr();
        if (control.isPause()) guests[domid].paused = true;
        if (control.isUnpause()) guests[domid].paused = false;
        done.push_back(absl::StrCat(control.isRename()       ? "rename "
                                    : control.isPause()      ? "pause "
                                    : control.isAttachDisk() ? "attach to "
                                    : control.isDetachDisk() ? "detach from "
                                    : control.isUnpause()    ? "unpause "
                                                             : "schedule ",
                                    domid));
        if (control.isSetVcpus()) absl::StrAppend(&done.back(), " vcpus ", control.getSetVcpus());
        if (control.isSetAffinity()) {
          const auto affinity = control.getSetAffinity();
          absl::StrAppend(&done.back(), " vcpu ", affinity.getVcpu(), " hard ",
                          absl::Hex(affinity.getHard()), " soft ", absl::Hex(affinity.getSoft()));
        }
        if (control.isSetSchedule()) {
          const auto schedule = control.getSetSchedule();
          absl::StrAppend(&done.back(), " weight ", schedule.getWeight(), " cap ",
                          schedule.getCapPercent());
        }
        if (control.isAttachDisk())
          absl::StrAppend(&done.back(), " ", control.getAttachDisk().getTarget().cStr(), " as ",
                          control.getAttachDisk().getNumber());
        if (control.isDetachDisk())
          absl::StrAppend(&done.back(), " ", control.getDetachDisk().getNumber(),
                          control.getDetachDisk().getForce() ? " by force" : "");
        Done(id);
        break;
      }
      default:
        Fail(id, proto::FailureCode::UNSUPPORTED, "not played");
        break;
    }
  }

 private:
  void Answer(uint32_t id, const Fill& fill) {
    Send([id, fill](auto reply) {
      reply.setId(id);
      fill(reply);
    });
  }
  void Done(uint32_t id) {
    Answer(id, [](auto reply) { reply.setDone(); });
  }
  void Fail(uint32_t id, proto::FailureCode code, const std::string& reason) {
    Answer(id, [code, reason](auto reply) {
      reply.initFailed().setCode(code);
      reply.getFailed().setReason(reason.c_str());
    });
  }
  bool Failed(uint32_t id) {
    if (failure.empty()) return false;
    Fail(id, failure_code, std::exchange(failure, ""));
    return true;
  }
  // One guest in each message, the last empty.
  void ListGuests(uint32_t id) {
    for (const auto& [domid, guest] : guests) {
      Answer(id, [domid = domid, guest = guest](auto reply) {
        reply.setLast(false);
        auto state = reply.initGuests(1)[0];
        state.setDomid(domid);
        state.setName(guest.name.c_str());
        state.setMemoryKib(guest.memory_kib);
        state.setPaused(guest.paused);
        auto vcpu = state.initVcpus(1)[0];
        vcpu.setOnline(true);
        vcpu.setBlocked(true);
        vcpu.setCpuTimeNs(1500000000);
        vcpu.setHardAffinity(0xf);
      });
    }
    Answer(id, [](auto reply) { reply.initGuests(0); });
  }
  void ListServices(uint32_t id, bool capabilities) {
    Answer(id, [capabilities](auto reply) {
      auto service = reply.initServices(1)[0];
      service.setName("console");
      service.setState(proto::ServicePhase::RUNNING);
      service.setGeneration(2);
      service.setMemoryKib(1200);
      if (!capabilities) return;
      auto held = service.initCapabilities(1)[0];
      held.setIndex(9);
      held.setType(4);
      held.setRights(0x83);
      held.setObject("uart");
    });
  }
  void ListFiles(uint32_t id, const std::string& directory) {
    if (!directory.empty()) {
      Fail(id, proto::FailureCode::NOT_FOUND, "no such directory");
      return;
    }
    Answer(id, [this](auto reply) {
      auto list = reply.initFiles(files.size());
      unsigned i = 0;
      for (const auto& [name, text] : files) {
        list[i].setName(name.c_str());
        list[i++].setBytes(text.size());
      }
    });
  }
  void ReadFile(uint32_t id, proto::FileRead::Reader read) {
    const auto file = files.find(read.getPath().cStr());
    if (file == files.end()) {
      Fail(id, proto::FailureCode::NOT_FOUND, "no such file");
      return;
    }
    const uint64_t offset = std::min<uint64_t>(read.getOffset(), file->second.size());
    const std::string part = file->second.substr(offset, read.getMaxBytes());
    const uint64_t bytes = file->second.size();
    Answer(id, [part, bytes](auto reply) {
      auto data = reply.initFileData();
      data.setData({reinterpret_cast<const kj::byte*>(part.data()), part.size()});
      data.setFileBytes(bytes);
    });
  }
};

// A store without permissions; transactions are carried out at once.
class FakeXenstore : public FakePeer<proto::XenstoreRequest, proto::XenstoreReply> {
 public:
  using FakePeer::FakePeer;

  std::map<std::string, std::string> nodes = {{"/", ""}};
  std::vector<std::string> watches;
  std::function<void()> before;  // each request is handled; once
  unsigned conflicts = 0;        // of the next commits
  std::function<void(const std::string& path)> on_write;

  // Written by a guest.
  void Write(const std::string& path, const std::string& value) {
    nodes[path] = value;
    for (const std::string& watch : watches) {
      if (!absl::StartsWith(path, watch)) continue;
      Send([path](auto reply) { reply.initEvent().setPath(path.c_str()); });
    }
    if (on_write) on_write(path);
  }

 protected:
  using Request = proto::XenstoreRequest;
  using Error = proto::XenstoreError;

  void OnConnected() override { watches.clear(); }

  void Handle(Request::Reader request) override {
    if (before) {
      const auto action = std::exchange(before, nullptr);
      action();
      if (deaf) return;
    }
    const uint32_t id = request.getId();
    switch (request.which()) {
      case Request::DIRECTORY:
        Directory(id, request.getDirectory().cStr());
        break;
      case Request::READ: {
        const auto node = nodes.find(request.getRead().cStr());
        Answer(id, node == nodes.end() ? Error::NO_ENTRY : Error::OK,
               node == nodes.end() ? "" : node->second);
        break;
      }
      case Request::WRITE: {
        const auto value = request.getWrite().getValue().asChars();
        Answer(id);
        Write(request.getWrite().getPath().cStr(), std::string(value.begin(), value.size()));
        break;
      }
      case Request::REMOVE:
        Answer(id, nodes.erase(request.getRemove().cStr()) == 0 ? Error::NO_ENTRY : Error::OK);
        break;
      case Request::GET_PERMISSIONS:
        Answer(id, Error::OK, std::string("n0\0r1\0", 6));
        break;
      case Request::TRANSACTION_START:
        Answer(id, Error::OK, "7");
        break;
      case Request::TRANSACTION_END:
        if (conflicts > 0) {
          --conflicts;
          Answer(id, Error::AGAIN);
        } else {
          Answer(id);
        }
        break;
      case Request::WATCH: {
        const std::string path = request.getWatch().getPath().cStr();
        watches.push_back(path);
        Answer(id);
        Send([path](auto reply) { reply.initEvent().setPath(path.c_str()); });
        break;
      }
      default:
        Answer(id);
        break;
    }
  }

 private:
  void Answer(uint32_t id, Error error = Error::OK, const std::string& value = "") {
    Send([=](auto reply) {
      auto answer = reply.initDone();
      answer.setId(id);
      answer.setError(error);
      answer.setValue({reinterpret_cast<const kj::byte*>(value.data()), value.size()});
    });
  }
  void Directory(uint32_t id, const std::string& path) {
    if (nodes.count(path) == 0) {
      Answer(id, Error::NO_ENTRY);
      return;
    }
    const std::string prefix = path == "/" ? "/" : path + "/";
    std::string names;
    for (const auto& [name, value] : nodes) {
      if (name.size() <= prefix.size() || !absl::StartsWith(name, prefix)) continue;
      const std::string rest = name.substr(prefix.size());
      if (rest.find('/') == std::string::npos) names += rest + '\0';
    }
    Answer(id, Error::OK, names);
  }
};

}  // namespace pyrene::xl
