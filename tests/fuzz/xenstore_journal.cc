// SPDX-License-Identifier: Apache-2.0
//
// The records of XenStore's journal: what a damaged one may hold once its checksums are right.
// Either a record is refused, or it is a state that such a server may have.
#include "proto/xenstore_journal.capnp.h"
#include "services/xenstore/journal/restore.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/xenstore_world.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::XenstoreRecord)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  pyrene::fuzz::XenstoreHost host;
  pyrene::xenstore::Server server(&host, nullptr, pyrene::xenstore::ServiceOptions());
  pyrene::xenstore::Restorer restorer(&server);
  for (const auto& message : pyrene::proto::MessageMutator::Split(data, bytes))
    static_cast<void>(restorer.Take({message.data(), message.size()}));
  static_cast<void>(restorer.TakeRings());
  pyrene::fuzz::Require(server.CheckAccounts().ok());
  server.EndRestore();
  pyrene::fuzz::Require(server.CheckAccounts().ok());
  return 0;
}
