// SPDX-License-Identifier: Apache-2.0
//
// fs's answers to xl: a part of a file is no longer than what was asked for, a listing ends and is
// sorted.
#include <algorithm>

#include "services/xl/shell/fs_client.h"
#include "tests/fuzz/xl_world.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::FsReply)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  using fuzz::Require;
  constexpr uint32_t kPoolBytes = 32768;  // more than xl asks for at once
  constexpr uint32_t kPartBytes = 16384;
  static auto& peer =
      *new fuzz::Peer(proto::SchemaId<proto::FsRequest>(), proto::Side::kServer, kPoolBytes);
  fuzz::XlWorld world(peer, data, bytes);
  xl::FsClient fs(world.waiter(), world.Open(), fuzz::XlWorld::kClientBit);
  Require(fs.Start().ok());
  fs.SetReplayCheck([] { return absl::OkStatus(); });
  while (!world.waiter().stopped()) {
    if (const auto entry = fs.Stat("/file"); entry.ok()) Require(entry->name == "/file");
    if (const auto list = fs.List("/"); list.ok()) {
      Require(std::is_sorted(list->begin(), list->end(),
                             [](const auto& a, const auto& b) { return a.name < b.name; }));
    }
    if (const auto part = fs.ReadPart("/file", 0); part.ok())
      Require(part->data.size() <= kPartBytes);
    if (const auto usage = fs.Usage(); usage.ok())
      Require(std::all_of(usage->device.begin(), usage->device.end(),
                          [](char c) { return static_cast<unsigned char>(c) >= ' '; }));
    fs.Look("/link").IgnoreError();
    const uint32_t number = fs.StartFile(kPartBytes).value_or(1);
    fs.Append(number, 0, "a file's text").IgnoreError();
    fs.AppendZeros(number, 0, kPartBytes).IgnoreError();
    fs.FinishFile("/file", number, kPartBytes).IgnoreError();
    fs.Rename("/file", "/other", number).IgnoreError();
    fs.Remove("/other", number).IgnoreError();
    fs.DropPart(number);
    fs.MakeDirectory("/folder").IgnoreError();
    fs.FillHoles("/file", 0).IgnoreError();
  }
  return 0;
}
