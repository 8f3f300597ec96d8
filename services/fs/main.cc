// SPDX-License-Identifier: Apache-2.0
//
// fs: the files of the disk's ext4 partition. Capabilities: `events`, `fs.disk.data`; channels
// `init`, `fs.disk` (with the driver), and one for each argument behind the first, which is the
// disk's name as Linux calls it. Who has the channel `fs` may change files.
//
// It keeps nothing over its death: requests name their files, clients ask again, and what a change
// had not finished is in the disk's journal.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/connect.h"
#include "runtime/event_loop.h"
#include "runtime/kill_point.h"
#include "runtime/log.h"
#include "runtime/service.h"
#include "services/fs/card.h"
#include "services/fs/disk.h"
#include "services/fs/fs_server.h"
#include "services/init/client/supervision_client.h"

namespace pyrene::fs {
namespace {

class Service {
 public:
  absl::Status Start(int count, char** arguments);
  absl::Status Run();
  init::SupervisionClient* supervision() { return supervision_.get(); }

 private:
  absl::Status OpenDisk();
  absl::Status AddClient(const std::string& name);
  // The medium that is there now is the one that `volume_` is of.
  absl::Status TakeMedium();
  absl::StatusOr<Volume*> GetVolume(Volume::Replay replay);
  absl::StatusOr<Extent> Find(const std::string& name);

  runtime::EventLoop loop_{runtime::Notification::Adopt(runtime::FindCapability("events"))};
  std::unique_ptr<init::SupervisionClient> supervision_;
  std::string disk_name_;
  std::unique_ptr<Disk> disk_;
  std::unique_ptr<Volume> volume_;
  std::vector<std::unique_ptr<FsServer>> clients_;
  bool stop_ = false;
};

absl::Status Service::OpenDisk() {
  absl::StatusOr<runtime::Memory> data =
      runtime::Memory::Map(runtime::FindCapability("fs.disk.data"), runtime::Access::kReadWrite);
  if (!data.ok()) return data.status();
  absl::StatusOr<proto::NamedChannel> channel =
      proto::OpenChannel("fs.disk", proto::Side::kClient, proto::SchemaId<proto::BlockRequest>());
  if (!channel.ok()) return channel.status();
  disk_ = std::make_unique<Disk>(loop_, std::move(channel->channel), *std::move(data),
                                 [this] { return stop_; });
  return loop_.AddSourceAt(channel->bit, [this, bit = channel->bit] {
    if (disk_->OnWake()) loop_.notification().Signal(uint64_t{1} << bit);
  });
}

absl::Status Service::AddClient(const std::string& name) {
  absl::StatusOr<proto::NamedChannel> channel =
      proto::OpenChannel(name, proto::Side::kServer, proto::SchemaId<proto::FsRequest>());
  if (!channel.ok()) return channel.status();
  clients_.push_back(std::make_unique<FsServer>(
      std::move(channel->channel),
      FsServer::Source{disk_name_, [this] { return disk_->facts().sectors; },
                       [this](Volume::Replay replay) { return GetVolume(replay); },
                       [this](const std::string& n) { return Find(n); }, name == "fs"}));
  // Run looks at all clients: a read that waits must not begin another.
  return loop_.AddSourceAt(channel->bit, [] {});
}

absl::Status Service::Start(int count, char** arguments) {
  init::SupervisionClient::Handlers handlers;
  handlers.stop = [this] { stop_ = true; };
  auto supervision = init::SupervisionClient::Open(std::move(handlers));
  if (!supervision.ok()) return supervision.status();
  supervision_ = *std::move(supervision);
  absl::Status status = loop_.AddSourceAt(supervision_->bit(), [this] { supervision_->OnWake(); });
  if (status.ok()) status = OpenDisk();
  if (count < 2) return absl::InvalidArgumentError("no argument names the disk");
  disk_name_ = arguments[1];
  for (int i = 2; i < count && status.ok(); ++i) status = AddClient(arguments[i]);
  if (!status.ok()) return status;
  supervision_->Ready();
  supervision_->OnWake();
  disk_->OnWake();
  return absl::OkStatus();
}

absl::Status Service::TakeMedium() {
  if (volume_ != nullptr && disk_->HasMedium()) return absl::OkStatus();
  volume_.reset();
  absl::Status status = disk_->WaitForMedium();
  if (status.ok()) disk_->TakeMedium();
  return status;
}

absl::StatusOr<Extent> Service::Find(const std::string& name) {
  if (absl::Status status = TakeMedium(); !status.ok()) return status;
  const block::DiskFacts& facts = disk_->facts();
  return FindOnDisk(*disk_, facts.sectors, facts.sector_bytes, disk_name_, name);
}

absl::StatusOr<Volume*> Service::GetVolume(Volume::Replay replay) {
  if (absl::Status status = TakeMedium(); !status.ok()) return status;
  if (volume_ != nullptr && !volume_->stale()) return volume_.get();
  volume_.reset();
  auto volume =
      MountDisk(*disk_, disk_->facts().sectors, disk_->facts().sector_bytes, disk_name_, replay);
  // NotFound is for files.
  if (absl::IsNotFound(volume.status()))
    return absl::FailedPreconditionError(volume.status().message());
  if (!volume.ok()) return volume.status();
  volume_ = *std::move(volume);
  runtime::KillPoint("mounted");
  runtime::LogInfo("mounted ", volume_->device(), volume_->replayed() ? ", journal replayed" : "");
  return volume_.get();
}

absl::Status Service::Run() {
  bool more = true;
  while (!stop_) {
    absl::Status status = loop_.RunOnce(more ? runtime::kNow : runtime::kNever);
    if (!status.ok()) return status;
    more = false;
    for (const auto& client : clients_) more = client->Serve() || more;
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace pyrene::fs

int main(int argc, char** argv) {
  // Never destroyed: at the end of a life the runtime's own objects go first.
  auto& service = *new pyrene::fs::Service;
  absl::Status status = service.Start(argc, argv);
  if (status.ok()) status = service.Run();
  return pyrene::init::ExitStatus(status, service.supervision());
}
