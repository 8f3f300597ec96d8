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

// A server with a journal of the service's size.
class JournalBoundTest : public testing::Test {
 protected:
  JournalBoundTest() { recorder_.Start(&log_, &server_, {}); }

  std::vector<uint64_t> memory_ = std::vector<uint64_t>(kJournalBytes / sizeof(uint64_t));
  journal::Log log_ = *journal::Log::Open(memory_.data(), kJournalBytes);
  Recorder recorder_{[] { ADD_FAILURE() << "the journal is full"; }};
  FakeHost host_;
  Server server_{&host_, &recorder_, ServiceOptions()};
};

// All that quotas allow, and the toolstack's share: the state still fits into a half, with room for
// changes, and comes back from there.
TEST_F(JournalBoundTest, WhatQuotasAllowFits) {
  Client tool(&server_, server_.OpenService({kToolstackDomId, /*privileged=*/true}));
  for (DomId domid = 1; domid <= kMaxGuests; ++domid) {
    const std::string data = HomeOf(domid) + "/data";
    ASSERT_EQ(tool.Mkdir(data), "OK");
    ASSERT_EQ(tool.SetPerms(data, {("n" + std::to_string(domid))}), "OK");
    ASSERT_EQ(server_.Introduce(domid, 1, 1), Error::kOk);
    const ConnectionId id = server_.FindDomain(domid)->connection;
    Client guest(&server_, id);
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
    server_.Sync();
    // Answers and events that are not read.
    RingState ring;
    ring.input = std::string(kHeaderSize + kMaxPayload, 'i');
    const std::string list = Payload({"data"});
    const Header directory{static_cast<uint32_t>(MessageType::kDirectory), 0, 0,
                           static_cast<uint32_t>(list.size())};
    while (server_.MayRead(id)) server_.HandleRingRequest(id, directory, list, ring);
    server_.Sync();
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
    server_.Sync();
    EXPECT_LE(server_.store().accounts().at(domid).memory, kGuestShare);
  }
  EXPECT_EQ(server_.Introduce(kMaxGuests + 1, 1, 1), Error::kNoSpace);
  std::string answer = "OK";
  for (int i = 0; answer == "OK"; ++i) answer = tool.Write("/tool/" + std::to_string(i), "");
  EXPECT_EQ(answer, "!ENOSPC");
  EXPECT_EQ(tool.Rm("/tool/0"), "OK");
  uint64_t bytes = 0;
  for (const auto& [domid, account] : server_.store().accounts()) bytes += account.memory;
  EXPECT_LE(bytes, kCapacity);
  EXPECT_GT(bytes, kCapacity * 3 / 4);
  recorder_.Renew();
  server_.Sync();
  EXPECT_LT(log_.used() + kChangesBytes / 2, log_.capacity());

  Server next(&host_, nullptr, ServiceOptions());
  Restorer restorer(&next);
  EXPECT_EQ(log_.Replay([&](journal::Log::Record record) { return restorer.Take(record); }),
            absl::OkStatus());
  EXPECT_EQ(next.CheckAccounts(), absl::OkStatus());
  next.EndRestore();
  EXPECT_EQ(next.CheckAccounts(), absl::OkStatus());
  EXPECT_EQ(next.domains().size(), kMaxGuests);
  RecordProperty("used", static_cast<int>(log_.used()));
}

// What a life reads before it serves does not grow with what its predecessors did.
TEST_F(JournalBoundTest, ManyRequestsLeaveLittleToRead) {
  ASSERT_EQ(server_.Introduce(1, 1, 1), Error::kOk);
  const ConnectionId id = server_.FindDomain(1)->connection;
  RingState ring;
  size_t state = 0;
  for (uint32_t i = 0; i < 20'000; ++i) {
    ring.request_consumer = 20 * i;
    server_.NoteRing(id, ring);
    server_.Sync();
    if (recorder_.compactions() == 1 && state == 0) state = log_.used();
    ASSERT_LT(log_.used(), state + Recorder::kLeastChanges + 4096) << i;
  }
  EXPECT_GT(state, 0u);
  EXPECT_LT(state, 4096u);
  EXPECT_GT(recorder_.compactions(), 10u);
}

}  // namespace
}  // namespace pyrene::xenstore
