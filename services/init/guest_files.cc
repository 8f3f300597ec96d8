// SPDX-License-Identifier: Apache-2.0
//
// Guests' kernels and RAM disks: in the boot bundle, or on the disk. What is on the disk is read
// into Memory of the guest's before its VMM starts, and stays for its reboots. What of the disk is
// a guest's disk is asked for at the same time.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "services/fs/client/card_path.h"
#include "services/init/guests.h"

namespace pyrene::init {

absl::Status Guests::CheckFile(capnp::Text::Reader path) const {
  if (!fs::PathOnCard(path.cStr()).has_value())
    return world_.bundle.files().Find(path.cStr()).status();
  // Whether it is there is seen when it is read.
  return loader_ == nullptr ? absl::NotFoundError("there is no fs") : absl::OkStatus();
}

void Guests::LoadFiles(Guest& guest) {
  const proto::GuestConfig::Reader config = guest.Config();
  FileLoader::Job job;
  for (const char* path : {config.getKernel().cStr(), config.getRamdisk().cStr()}) {
    const std::optional<std::string> on_card = fs::PathOnCard(path);
    if (!on_card.has_value()) continue;
    job.paths.push_back(*on_card);
    guest.loaded.push_back({path, {}});
  }
  std::vector<GuestDisk*> unmapped;
  for (const auto& disk : guest.disks) {
    if (!IsUnmapped(*disk)) continue;
    job.disks.push_back(NameToMap(*disk));
    unmapped.push_back(disk.get());
  }
  if (job.paths.empty() && job.disks.empty()) return;
  job.most = config.getMemoryKib() * 1024;
  job.allocate = [this, &guest](uint64_t bytes) { return AllocateFiles(guest, bytes); };
  job.done = [this, &guest, unmapped](absl::StatusOr<FileLoader::Loaded> loaded) {
    guest.load = 0;
    guest.files_view = runtime::Memory();
    absl::Status status = loaded.status();
    if (status.ok()) {
      for (size_t i = 0; i < loaded->files.size(); ++i) guest.loaded[i].range = loaded->files[i];
      for (size_t i = 0; i < unmapped.size() && status.ok(); ++i)
        status = TakeMap(world_.ram, std::move(loaded->disks[i]), *unmapped[i], guest, guests_);
    }
    if (!status.ok() && guest.failure.empty()) guest.failure = std::string(status.message());
    Wake();
  };
  guest.load = loader_->Add(std::move(job));
}

// By blocks, so that its VMM maps it without many tables.
absl::StatusOr<absl::Span<uint8_t>> Guests::AllocateFiles(Guest& guest, uint64_t bytes) {
  constexpr uint64_t kBlockBytes = uint64_t{FreePages::kBlockPages} * 4096;
  absl::StatusOr<Ram> ram =
      world_.ram.Allocate(bytes / 4096, 0, absl::StrCat("files of guest ", guest.domid),
                          bytes < kBlockBytes ? 4096 : kBlockBytes);
  if (!ram.ok()) return ram.status();
  guest.files = *std::move(ram);
  absl::StatusOr<runtime::Memory> view = guest.files.Map();
  if (!view.ok()) return view.status();
  guest.files_view = *std::move(view);
  guest.vmm->set_quota_pages(guest.vmm->quota_pages() + bytes / 4096 / kRamPagesPerQuotaPage + 4);
  return absl::Span<uint8_t>(guest.files_view.data(), guest.files_view.size());
}

}  // namespace pyrene::init
