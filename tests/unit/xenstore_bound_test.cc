// SPDX-License-Identifier: Apache-2.0
//
// What the service's journal must have room for.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "services/journal/log.h"
#include "services/xenstore/journal/recorder.h"
#include "services/xenstore/journal/restore.h"
#include "services/xenstore/path.h"
#include "services/xenstore/service/limits.h"
#include "services/xenstore/xs_ring.h"
#include "tests/unit/xenstore_test_util.h"

namespace pyrene::xenstore {
namespace {

// All that quotas allow, and the toolstack's share: the state still fits into a half, with room for
// changes, and comes back from there.
TEST(JournalBoundTest, WhatQuotasAllowFits) {
  std::vector<uint64_t> memory(kJournalBytes / 8);
  auto log = journal::Log::Open(memory.data(), kJournalBytes);
  ASSERT_TRUE(log.ok());
  Recorder recorder([] { ADD_FAILURE() << "the journal is full"; });
  FakeHost host;
  Server server(&host, &recorder, ServiceOptions());
  recorder.Start(&*log, &server, {});
  Client tool(&server, server.OpenService({kToolstackDomId, /*privileged=*/true}));
  for (DomId domid = 1; domid <= kMaxGuests; ++domid) {
    const std::string data = HomeOf(domid) + "/data";
    ASSERT_EQ(tool.Mkdir(data), "OK");
    ASSERT_EQ(tool.SetPerms(data, {("n" + std::to_string(domid))}), "OK");
    ASSERT_EQ(server.Introduce(domid, 1, 1), Error::kOk);
    const ConnectionId id = server.FindDomain(domid)->connection;
    Client guest(&server, id);
    // Each in its own way, and then all in the smallest way: small nodes, large ones, watches with
    // long tokens, deep nodes, transactions.
    std::string answer = "OK";
    for (int i = 0; answer == "OK" && domid % 5 == 1; ++i)
      answer = guest.Write("data/" + std::to_string(i), std::string(1800, 'v'));
    answer = "OK";
    for (int i = 0; answer == "OK" && domid % 5 == 2; ++i)
      answer = guest.Watch("data", std::string(900, 't') + std::to_string(i));
    answer = "OK";
    for (int i = 0; answer == "OK" && domid % 5 == 3; ++i) {
      std::string path = "data/" + std::to_string(i);
      for (int depth = 0; depth < 40; ++depth) path += "/" + std::string(20, 'd');
      answer = guest.Mkdir(path);
    }
    for (int i = 0; i < 10 && domid % 5 == 4; ++i) EXPECT_NE(guest.Start(), 0u);
    answer = "OK";
    for (int i = 0; answer == "OK"; ++i) answer = guest.Mkdir("data/s" + std::to_string(i));
    EXPECT_EQ(answer, "!ENOSPC");
    server.Sync();
    // Answers and events that are not read.
    RingState ring;
    ring.input = std::string(kHeaderSize + kMaxPayload, 'i');
    const std::string list = Payload({"data"});
    const Header directory{static_cast<uint32_t>(MessageType::kDirectory), 0, 0,
                           static_cast<uint32_t>(list.size())};
    while (server.MayRead(id)) server.HandleRingRequest(id, directory, list, ring);
    server.Sync();
  }
  for (DomId domid = 1; domid <= kMaxGuests; ++domid) {
    for (int i = 0; i < 400; ++i) {
      ASSERT_NE(tool.Write(HomeOf(domid) + "/data", std::to_string(i)), "!ENOSPC");
      ASSERT_EQ(tool.Mkdir(HomeOf(domid) + "/data/" + std::string(200, 'e') + std::to_string(i))
                    .substr(0, 1),
                "O");
      ASSERT_EQ(tool.Rm(HomeOf(domid) + "/data/" + std::string(200, 'e') + std::to_string(i)),
                "OK");
    }
    server.Sync();
    EXPECT_LE(server.store().accounts().at(domid).memory, kGuestShare);
  }
  EXPECT_EQ(server.Introduce(kMaxGuests + 1, 1, 1), Error::kNoSpace);
  std::string answer = "OK";
  for (int i = 0; answer == "OK"; ++i) answer = tool.Write("/tool/" + std::to_string(i), "");
  EXPECT_EQ(answer, "!ENOSPC");
  EXPECT_EQ(tool.Rm("/tool/0"), "OK");
  uint64_t bytes = 0;
  for (const auto& [domid, account] : server.store().accounts()) bytes += account.memory;
  EXPECT_LE(bytes, kCapacity);
  EXPECT_GT(bytes, kCapacity * 3 / 4);
  recorder.Renew();
  server.Sync();
  EXPECT_LT(log->used() + kChangesBytes / 2, log->capacity());

  Server next(&host, nullptr, ServiceOptions());
  Restorer restorer(&next);
  EXPECT_EQ(log->Replay([&](journal::Log::Record record) { return restorer.Take(record); }),
            absl::OkStatus());
  EXPECT_EQ(next.CheckAccounts(), absl::OkStatus());
  next.EndRestore();
  EXPECT_EQ(next.CheckAccounts(), absl::OkStatus());
  EXPECT_EQ(next.domains().size(), kMaxGuests);
  RecordProperty("used", static_cast<int>(log->used()));
}

// What a life reads before it serves does not grow with what its predecessors did.
TEST(JournalBoundTest, ManyRequestsLeaveLittleToRead) {
  std::vector<uint64_t> memory(kJournalBytes / 8);
  auto log = journal::Log::Open(memory.data(), kJournalBytes);
  ASSERT_TRUE(log.ok());
  Recorder recorder([] { ADD_FAILURE() << "the journal is full"; });
  FakeHost host;
  Server server(&host, &recorder, ServiceOptions());
  recorder.Start(&*log, &server, {});
  ASSERT_EQ(server.Introduce(1, 1, 1), Error::kOk);
  const ConnectionId id = server.FindDomain(1)->connection;
  RingState ring;
  size_t state = 0;
  for (uint32_t i = 0; i < 20'000; ++i) {
    ring.request_consumer = 20 * i;
    server.NoteRing(id, ring);
    server.Sync();
    if (recorder.compactions() == 1 && state == 0) state = log->used();
    ASSERT_LT(log->used(), state + Recorder::kLeastChanges + 4096) << i;
  }
  EXPECT_GT(state, 0u);
  EXPECT_LT(state, 4096u);
  EXPECT_GT(recorder.compactions(), 10u);
}

}  // namespace
}  // namespace pyrene::xenstore
