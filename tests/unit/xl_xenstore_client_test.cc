// SPDX-License-Identifier: Apache-2.0
//
// xl's end of its channel with XenStore, against one that lies.
#include <string>

#include "gtest/gtest.h"
#include "services/xl/shell/xenstore_client.h"
#include "tests/unit/xl_fake_peers.h"

namespace pyrene::xl {
namespace {

// Each directory has another part.
class EndlessStore final : public FakePeer<proto::XenstoreRequest, proto::XenstoreReply> {
 public:
  EndlessStore(runtime::EventLoop& loop, Waiter& waiter) : FakePeer(loop, 0, 8), waiter_(waiter) {}

  unsigned parts = 0;

 private:
  void Handle(proto::XenstoreRequest::Reader request) override {
    const bool part = request.isDirectoryPart();
    if (part && ++parts == 5000) waiter_.Stop();
    Send([id = request.getId(), part](auto reply) {
      auto done = reply.initDone();
      done.setId(id);
      if (!part) return done.setError(proto::XenstoreError::TOO_BIG);
      const std::string value = std::string("1\0", 2) + std::string(1000, 'n') + '\0';
      done.setValue({reinterpret_cast<const kj::byte*>(value.data()), value.size()});
    });
  }

  Waiter& waiter_;
};

TEST(XenstoreClientTest, ADirectoryWithoutAnEndIsGivenUp) {
  const auto loop = std::move(*runtime::EventLoop::Create());
  Waiter waiter(*loop);
  EndlessStore store(*loop, waiter);
  XenstoreClient client(waiter, store.TakeClient(), 0);
  ASSERT_TRUE(client.Start().ok());
  const auto names = client.Directory("/a");
  EXPECT_TRUE(absl::IsOutOfRange(names.status())) << names.status();
  EXPECT_LT(store.parts, 2000u);
}

}  // namespace
}  // namespace pyrene::xl
