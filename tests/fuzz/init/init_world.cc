// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/init/init_world.h"

#include <elf.h>

#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "proto/block.capnp.h"
#include "proto/connect.h"
#include "proto/fs.capnp.h"
#include "proto/manifest.capnp.h"
#include "proto/supervision.capnp.h"
#include "proto/toolstack.capnp.h"
#include "proto/vmm.capnp.h"
#include "runtime/host/objects.h"
#include "tests/fuzz/require.h"

namespace pyrene::fuzz {
namespace {

constexpr uint64_t kRamBase = 0x4000'0000;
constexpr uint64_t kRamPages = 16384;
constexpr unsigned kZeroerBit = 0;
constexpr unsigned kToolstackBit = 1;
constexpr unsigned kFilesBit = 2;
constexpr char kProgram[] = "services/any";
constexpr int kMostTurns = 32;

// What every service is: a page of text and one of variables.
std::string Program() {
  std::string file(4096, '\0');
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_EXEC;
  header.e_machine = EM_AARCH64;
  header.e_entry = 0x400000;
  header.e_phoff = sizeof(header);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 2;
  Elf64_Phdr segment[2] = {};
  segment[0] = {PT_LOAD, PF_R | PF_X, 0, 0x400000, 0, 4096, 4096, 4096};
  segment[1] = {PT_LOAD, PF_R | PF_W, 0, 0x401000, 0, 0, 4096, 4096};
  std::memcpy(file.data(), &header, sizeof(header));
  std::memcpy(file.data() + sizeof(header), segment, sizeof(segment));
  return file;
}

// One entry of the boot bundle, whose data begins on a page.
void AddFile(std::string& bundle, const std::string& name, const std::string& data) {
  constexpr size_t kHeaderBytes = 110;
  const size_t before = bundle.size() + kHeaderBytes;
  size_t name_bytes = name.size() + 1;
  while ((before + name_bytes) % 4096 != 0) ++name_bytes;
  char header[kHeaderBytes + 1];
  snprintf(header, sizeof(header), "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x",
           1, 0, 0, 0, 0, 0, data.size(), 0, 0, 0, 0, name_bytes, 0);
  bundle += header + name;
  bundle.append(name_bytes - name.size(), '\0');
  bundle += data;
  while (bundle.size() % 4 != 0) bundle += '\0';
}

struct Files {
  runtime::Handle memory;
  uint64_t bytes;
};
const Files& BundleFile() {
  static const Files files = [] {
    std::string bundle;
    AddFile(bundle, kProgram, Program());
    AddFile(bundle, "guests/vmlinuz", "a kernel");
    AddFile(bundle, "guests/a.cfg", "name = \"a\"\n");
    AddFile(bundle, "TRAILER!!!", "");
    const uint64_t bytes = bundle.size();
    bundle.resize((bytes + 4095) / 4096 * 4096);
    const runtime::Handle handle =
        *runtime::host::CreateObject(runtime::host::Kind::kMemory, bundle.size());
    const runtime::Memory view = *runtime::Memory::Map(handle, runtime::Access::kReadWrite);
    std::memcpy(view.data(), bundle.data(), bundle.size());
    return Files{handle, bytes};
  }();
  return files;
}

void FillService(proto::Service::Builder service, const char* name) {
  service.setName(name);
  service.setFile(kProgram);
  service.setHeapKib(64);
  service.setStackKib(16);
  service.setQuotaPages(64);
  service.setPriority(10);
  service.setLogKib(4);
  service.setRestart(proto::RestartPolicy::ALWAYS);
  service.setBackoffMs(0);
  service.setBackoffMaxMs(0);
  auto capability = service.initCapabilities(1)[0];
  capability.setName("events");
  capability.setEvents();
}

void FillChannel(proto::ChannelSpec::Builder channel, const char* name, const char* client,
                 const char* server, uint64_t schema, unsigned bit) {
  channel.setName(name);
  channel.setClient(client);
  channel.setServer(server);
  channel.setSchemaId(schema);
  channel.setRingBytes(16384);
  channel.setClientBit(static_cast<uint8_t>(bit));
  channel.setServerBit(static_cast<uint8_t>(bit));
}

proto::Manifest::Reader TheManifest() {
  static auto& message = *new capnp::MallocMessageBuilder;
  static const proto::Manifest::Reader manifest = [] {
    auto made = message.initRoot<proto::Manifest>();
    constexpr const char* kServices[] = {"console", "xenstore", "blkback", "fs", "driver", "xl"};
    auto services = made.initServices(std::size(kServices));
    for (unsigned i = 0; i < std::size(kServices); ++i) FillService(services[i], kServices[i]);
    services[2].initArguments(1).set(0, "/dev/vda=vda");
    auto channels = made.initChannels(4);
    FillChannel(channels[0], "toolstack", "xl", "init", proto::SchemaId<proto::ToolstackRequest>(),
                kToolstackBit);
    FillChannel(channels[1], "files", "init", "fs", proto::SchemaId<proto::FsRequest>(), kFilesBit);
    FillChannel(channels[2], "fs.disk", "fs", "driver", proto::SchemaId<proto::BlockRequest>(), 3);
    FillChannel(channels[3], "vda", "blkback", "driver", proto::SchemaId<proto::BlockRequest>(), 4);
    FillService(made.initVmm(), "vmm");
    made.getVmm().setRestart(proto::RestartPolicy::NEVER);
    made.setMaxGuests(4);
    return made.asReader();
  }();
  return manifest;
}

runtime::Handle Ram() {
  static const runtime::Handle ram =
      *runtime::host::CreateObject(runtime::host::Kind::kMemory, kRamPages * 4096);
  return ram;
}

}  // namespace

InitWorld::InitWorld() {
  PlayedKernel& kernel = PlayedKernel::Get();
  const Files& files = BundleFile();
  const runtime::Handle ram = Ram();
  boot_.cpus = 4;
  boot_.counter_frequency = 62'500'000;
  boot_.ram_bytes = kRamPages * 4096;
  boot_.bundle = kernel.Give(files.memory, 0, (files.bytes + 4095) / 4096);
  boot_.bundle_bytes = files.bytes;
  boot_.memories = 1;
  boot_.memory[0] = {kRamBase, kRamPages, kernel.Give(ram, 0, kRamPages),
                     static_cast<uint32_t>(MemoryType::kRam)};
  ram_.emplace(boot_);
  resources_.emplace(boot_, *ram_);
  bundle_.emplace(*init::Bundle::Open(boot_));
  loop_ = *runtime::EventLoop::Create();
  world_.emplace(init::World{*ram_, *bundle_, *loop_, boot_.cpus, boot_.counter_frequency, 0});
  supervisor_.emplace(*world_, *resources_, TheManifest(), kNullCap);
  zeroer_.emplace(*loop_, kZeroerBit);
  guests_.emplace(*world_, *supervisor_, *zeroer_, TheManifest());
  supervisor_->SetHooks(
      {.restarting = [this](init::Service& service) { guests_->OnServiceRestarting(service); },
       .stopped = [this](init::Service& vmm,
                         const std::string& why) { guests_->OnVmmStopped(vmm, why); },
       .offers_changed = [this] { guests_->Wake(); },
       .woken = [this](init::Service& vmm) { guests_->OnVmmWake(vmm); }});
  host_.emplace(boot_, init::Machine{"a machine", {}, {}, 0}, *resources_, *world_, *supervisor_);
  toolstack_.emplace(*world_, *supervisor_, *guests_, *host_, kToolstackBit);
  kernel.SetZeroer(loop_->notification().handle(), uint64_t{1} << kZeroerBit);
  Require(zeroer_->Start().ok());
  Require(supervisor_->Start().ok());
  Require(toolstack_->Open().ok());
  loader_.emplace(*loop_, *supervisor_->OpenOwnEnd("files"), kFilesBit);
  Require(loop_->AddSourceAt(kFilesBit, [this] { loader_->OnWake(); }).ok());
  loader_->OnWake();
  guests_->SetLoader(&*loader_);
  Settle();
}

InitWorld::~InitWorld() = default;

InitWorld::Connection& InitWorld::Connect(init::Service& service, const std::string& channel) {
  Connection& connection = connections_[service.name() + "/" + channel];
  if (service.live() == nullptr) {
    connection = {};
    return connection;
  }
  if (!connection.end.has_value() || connection.generation != service.generation()) {
    connection = {};
    for (const init::Given& given : service.live()->given()) {
      if (given.name != channel) continue;
      const runtime::Handle handle = PlayedKernel::Get().HandleOf(given.object_id);
      if (handle == runtime::kNoHandle) return connection;
      connection.end.emplace(*runtime::Memory::Map(handle, runtime::Access::kReadWrite),
                             channel == "vmm" ? proto::Side::kServer : proto::Side::kClient);
      connection.generation = service.generation();
    }
  }
  if (connection.end.has_value() && connection.epoch != connection.end->epoch()) {
    connection.epoch = connection.end->epoch();
    connection.end->Connect(connection.epoch);
    Wake(service.name());
  }
  return connection;
}

PeerEnd* InitWorld::FindEnd(const std::string& service, const std::string& channel) {
  init::Service* const found = supervisor_->Find(service);
  if (found == nullptr) return nullptr;
  Connection& connection = Connect(*found, channel);
  return connection.end.has_value() ? &*connection.end : nullptr;
}

PeerEnd& InitWorld::End(const std::string& service, const std::string& channel) {
  PeerEnd* const end = FindEnd(service, channel);
  Require(end != nullptr);
  return *end;
}

void InitWorld::Wake(const std::string& service) {
  uint64_t bits = service == "xl" ? uint64_t{1} << kToolstackBit : 0;
  if (const init::Service* const found = supervisor_->Find(service); found != nullptr)
    bits |= uint64_t{1} << found->bit();
  loop_->notification().Signal(bits);
}

template <typename Root, typename Fill>
void InitWorld::Say(PeerEnd& end, Fill fill) {
  fill(builder_.Start<Root>());
  const auto words = *builder_.Finish();
  static_cast<void>(end.Send(Message(reinterpret_cast<const uint64_t*>(words.begin()),
                                     reinterpret_cast<const uint64_t*>(words.end()))));
}

bool InitWorld::PlayService(init::Service& service) {
  const bool fresh = connections_[service.name() + "/init"].generation != service.generation();
  Connection& connection = Connect(service, "init");
  if (!connection.end.has_value()) return false;
  if (fresh)
    Say<proto::SupervisionRequest>(*connection.end, [](auto request) { request.setReady(); });
  const bool mute = IsTaken(service.name(), "init");
  const size_t heard = connection.end->Drain([&](uint8_t* data, size_t bytes) {
    if (mute) return;
    const auto words = kj::arrayPtr(reinterpret_cast<capnp::word*>(data), bytes / 8);
    Require(proto::ReadMessage<proto::SupervisionEvent>(words, [&](auto event) {
              Say<proto::SupervisionRequest>(*connection.end, [&](auto request) {
                if (event.isPing()) return request.setPong(event.getPing());
                if (event.isChannelOffered())
                  return request.setChannelTaken(event.getChannelOffered().getName());
                if (event.isChannelRevoked())
                  return request.setChannelClosed(event.getChannelRevoked());
                request.setPong(0);
              });
              return absl::OkStatus();
            }).ok());
  });
  if (heard != 0 || fresh) Wake(service.name());
  return heard != 0 || fresh;
}

bool InitWorld::PlayVmm(init::Service& vmm) {
  Connection& connection = Connect(vmm, "vmm");
  if (!connection.end.has_value() || IsTaken(vmm.name(), "vmm")) return false;
  const size_t heard = connection.end->Drain([&](uint8_t* data, size_t bytes) {
    const auto words = kj::arrayPtr(reinterpret_cast<capnp::word*>(data), bytes / 8);
    Require(proto::ReadMessage<proto::VmmRequest>(words, [&](auto request) {
              Say<proto::VmmEvent>(*connection.end, [&](auto event) {
                event.setId(request.getId());
                if (!request.isGetState()) return event.setDone();
                event.initState().initVcpus(1);
              });
              return absl::OkStatus();
            }).ok());
  });
  if (heard != 0) Wake(vmm.name());
  return heard != 0;
}

bool InitWorld::PlayXl() {
  Connection& connection = Connect(*supervisor_->Find("xl"), "toolstack");
  if (!connection.end.has_value()) return false;
  const size_t heard = connection.end->Drain([&](uint8_t* data, size_t bytes) {
    const auto words = kj::arrayPtr(reinterpret_cast<capnp::word*>(data), bytes / 8);
    Require(proto::ReadMessage<proto::ToolstackReply>(words, [&](auto reply) {
              if (listener_) listener_(reply);
              return absl::OkStatus();
            }).ok());
  });
  if (heard != 0) Wake("xl");
  return heard != 0;
}

void InitWorld::EndService(const std::string& service, FaultKind kind, uint64_t status) {
  init::Service* const found = supervisor_->Find(service);
  Require(found != nullptr && found->live() != nullptr);
  PlayedKernel::Get().End(found->live()->domain(), kind, status);
  Settle();
}

void InitWorld::Settle() {
  bool busy = true;
  for (int turn = 0; turn < kMostTurns && busy; ++turn) {
    Require(loop_->RunOnce(runtime::kNow).ok());
    busy = PlayXl();
    // By name: a turn of init's is not in between, but a later one may end any of them.
    for (init::Service* const service : supervisor_->services()) {
      busy = PlayService(*service) || busy;
      if (service->name().starts_with("vmm.")) busy = PlayVmm(*service) || busy;
    }
    // Init may have more to do by itself: a step of its guests'.
    busy = busy || turn < 3;
  }
}

void InitWorld::Ask(const std::function<void(proto::ToolstackRequest::Builder)>& fill) {
  Say<proto::ToolstackRequest>(End("xl", "toolstack"), [&](auto request) {
    request.setId(next_id_++);
    fill(request);
  });
  Wake("xl");
  Settle();
}

void InitWorld::CreateGuest(const std::string& name) {
  Ask([&name](proto::ToolstackRequest::Builder request) {
    auto config = request.initCreateGuest();
    config.setName(name.c_str());
    config.setKernel("guests/vmlinuz");
    config.initUuid(16);
    config.setMemoryKib(1024);
    config.setMaxMemoryKib(1024);
    config.setVcpus(1);
    config.setMaxVcpus(1);
    auto disk = config.initDisks(1)[0];
    disk.setVdev("xvda");
    disk.setNumber(51712);
    disk.setTarget("64K");
    disk.setRam(65536);
  });
}

const init::Guest* InitWorld::Find(const std::string& name) const {
  for (unsigned domid = 1; domid < 128; ++domid) {
    const init::Guest* const guest = std::as_const(*guests_).Find(static_cast<uint16_t>(domid));
    if (guest != nullptr && guest->name == name) return guest;
  }
  return nullptr;
}

void InitWorld::AskAbout(uint16_t domid, const std::string& what) {
  Ask([&](proto::ToolstackRequest::Builder request) {
    if (what == "list") return request.setListGuests();
    auto control = request.initGuestControl();
    control.setDomid(domid);
    if (what == "pause") return control.setPause();
    if (what == "rename") return control.setRename("renamed");
    if (what == "detach") return control.initDetachDisk().setNumber(51712);
    if (what == "vcpus") return control.setSetVcpus(1);
    if (what == "schedule") return control.initSetSchedule().setWeight(512);
    if (what == "affinity") {
      auto affinity = control.initSetAffinity();
      affinity.setHard(1);
      return affinity.setSoft(2);
    }
    auto disk = control.initAttachDisk();
    disk.setVdev("xvdb");
    disk.setNumber(51728);
    disk.setRam(4096);
  });
}

void InitWorld::DestroyAllGuests() {
  taken_.clear();
  for (unsigned domid = 1; guests_->count() != 0 && domid < 128; ++domid) {
    if (std::as_const(*guests_).Find(static_cast<uint16_t>(domid)) == nullptr) continue;
    Ask([domid](auto request) { request.setDestroyGuest(static_cast<uint16_t>(domid)); });
  }
}

}  // namespace pyrene::fuzz
