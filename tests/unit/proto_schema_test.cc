// SPDX-License-Identifier: Apache-2.0
//
// Messages as the first version of each schema wrote them. They must decode for ever: a restarted
// service reads what its predecessor left in a ring or a journal. A literal is never changed; a
// schema that grows gets further ones.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "proto/console.capnp.h"
#include "proto/guest.capnp.h"
#include "proto/manifest.capnp.h"
#include "proto/message.h"
#include "proto/supervision.capnp.h"
#include "proto/toolstack.capnp.h"
#include "proto/vmm.capnp.h"
#include "proto/xenstore.capnp.h"

namespace pyrene::proto {
namespace {

template <typename Root, size_t kWords, typename Check>
void Decode(const uint64_t (&words)[kWords], Check check) {
  bool called = false;
  const auto message = kj::arrayPtr(reinterpret_cast<const capnp::word*>(words), kWords);
  const absl::Status status = ReadMessage<Root>(message, [&](typename Root::Reader root) {
    called = true;
    check(root);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(called);
}

std::string Bytes(capnp::Data::Reader data) { return std::string(data.begin(), data.end()); }

constexpr uint64_t kManifest[] = {
    0x0000003500000000, 0x0005000000000000, 0x0000002a00000011, 0x0000000000000000,
    0x000000570000000d, 0x0000001f000000ad, 0x000000370000007d, 0x0000000074726976,
    0x0004000600000004, 0x0000000000000200, 0x0000031400000040, 0x00001388000003e8,
    0x00000001000000fa, 0x0000000000000000, 0x0000000000000000, 0x000000420000000d,
    0x000000420000000d, 0x0000000e0000000d, 0x0000004700000011, 0x00656c6f736e6f63,
    0x00656c6f736e6f63, 0x0000001a00000001, 0x000000000000762d, 0x0003000100000008,
    0x0000000000000000, 0x0000002a00000019, 0x0000000100000018, 0x0000000200000018,
    0x0000009900000001, 0x0000004a00000019, 0x0000000000000000, 0x0000000000000000,
    0x0000000074726175, 0x0000000000000003, 0x00000000fe201000, 0x0000000000000001,
    0x7172692e74726175, 0x0000000000000000, 0x0003000300000004, 0x1122334455667788,
    0x0000000800000000, 0x0000000000000504, 0x0000005a00000009, 0x0000001a0000000d,
    0x000000420000000d, 0x6f736e6f632e6c78, 0x000000000000656c, 0x0000000000006c78,
    0x00656c6f736e6f63, 0x0001000200000004, 0x0000000000000100, 0x0000000000000000,
    0x0000004200000001, 0x006c616e72756f6a};
TEST(FirstVersion, Manifest) {
  Decode<Manifest>(kManifest, [](Manifest::Reader m) {
    EXPECT_STREQ(m.getPlatform().cStr(), "virt");
    ASSERT_EQ(m.getServices().size(), 1u);
    const auto service = m.getServices()[0];
    EXPECT_STREQ(service.getName().cStr(), "console");
    EXPECT_STREQ(service.getFile().cStr(), "console");
    EXPECT_STREQ(service.getArguments()[0].cStr(), "-v");
    EXPECT_EQ(service.getHeapKib(), 512u);
    EXPECT_EQ(service.getStackKib(), 64u);
    EXPECT_EQ(service.getQuotaPages(), 64u);
    EXPECT_EQ(service.getPriority(), 20);
    EXPECT_EQ(service.getCpu(), 3);
    EXPECT_EQ(service.getWeight(), 256);
    EXPECT_EQ(service.getBudgetUs(), 1000u);
    EXPECT_EQ(service.getPeriodUs(), 5000u);
    EXPECT_EQ(service.getHeartbeatMs(), 250u);
    EXPECT_EQ(service.getRestart(), RestartPolicy::ALWAYS);
    EXPECT_EQ(service.getBackoffMs(), 10u);
    EXPECT_EQ(service.getBackoffMaxMs(), 5000u);
    EXPECT_EQ(service.getLogKib(), 16u);
    const auto uart = service.getCapabilities()[0];
    EXPECT_STREQ(uart.getName().cStr(), "uart");
    EXPECT_TRUE(uart.getRights().getRead() && uart.getRights().getWrite());
    EXPECT_FALSE(uart.getRights().getDma() || uart.getRights().getCopy());
    EXPECT_EQ(uart.getDevice().getBase(), 0xfe201000u);
    EXPECT_EQ(uart.getDevice().getPages(), 1u);
    EXPECT_EQ(service.getCapabilities()[1].getIrq(), 153u);
    const auto channel = m.getChannels()[0];
    EXPECT_STREQ(channel.getName().cStr(), "xl.console");
    EXPECT_STREQ(channel.getClient().cStr(), "xl");
    EXPECT_STREQ(channel.getServer().cStr(), "console");
    EXPECT_EQ(channel.getSchemaId(), 0x1122334455667788u);
    EXPECT_EQ(channel.getRingBytes(), 16384u);
    EXPECT_EQ(channel.getPoolKib(), 8u);
    EXPECT_EQ(channel.getClientBit(), 4);
    EXPECT_EQ(channel.getServerBit(), 5);
    EXPECT_STREQ(m.getMemories()[0].getName().cStr(), "journal");
    EXPECT_EQ(m.getMemories()[0].getPages(), 256u);
    EXPECT_EQ(m.getMemories()[0].getAlignment(), 4096u);
  });
}

constexpr uint64_t kSupervisionRequest[] = {0x0000000400000000, 0x0001000200000000,
                                            0x0000000000000001, 0x000000000000004d,
                                            0x0000000000000000};
TEST(FirstVersion, SupervisionRequest) {
  Decode<SupervisionRequest>(kSupervisionRequest, [](SupervisionRequest::Reader m) {
    ASSERT_TRUE(m.isPong());
    EXPECT_EQ(m.getPong(), 77u);
  });
}

constexpr uint64_t kSupervisionEvent[] = {
    0x0000000b00000000, 0x0001000200000000, 0x0000000000000000, 0x0000000000000001,
    0x0002000300000000, 0x0000030028010003, 0x0000000000000009, 0x0000000000000301,
    0x0000003200000005, 0x0000003200000005, 0x000000332e6d6d76, 0x000000332e6d6d76};
TEST(FirstVersion, SupervisionEvent) {
  Decode<SupervisionEvent>(kSupervisionEvent, [](SupervisionEvent::Reader m) {
    ASSERT_TRUE(m.isChannelOffered());
    const auto offer = m.getChannelOffered();
    EXPECT_STREQ(offer.getName().cStr(), "vmm.3");
    EXPECT_STREQ(offer.getPeer().cStr(), "vmm.3");
    EXPECT_EQ(offer.getPeerDomid(), 3);
    EXPECT_EQ(offer.getSchemaId(), 9u);
    EXPECT_TRUE(offer.getIsServer());
    EXPECT_EQ(offer.getMemory(), 768u);
    EXPECT_EQ(offer.getWakePeer(), 769u);
    EXPECT_EQ(offer.getBit(), 40);
  });
}

constexpr uint64_t kConsoleRequest[] = {0x0000000300000000, 0x0001000100000000, 0x0003000400000005,
                                        0x0000000000000000};
TEST(FirstVersion, ConsoleRequest) {
  Decode<ConsoleRequest>(kConsoleRequest, [](ConsoleRequest::Reader m) {
    EXPECT_EQ(m.getId(), 5u);
    ASSERT_TRUE(m.isAttach());
    EXPECT_EQ(m.getAttach(), 3);
  });
}

constexpr uint64_t kConsoleEvent[] = {0x0000000600000000, 0x0001000100000000, 0x0000000300000006,
                                      0x0001000100000000, 0x000000000012d687, 0x0000002a00000001,
                                      0x0000006f6c6c6568};
TEST(FirstVersion, ConsoleEvent) {
  Decode<ConsoleEvent>(kConsoleEvent, [](ConsoleEvent::Reader m) {
    EXPECT_EQ(m.getId(), 6u);
    ASSERT_TRUE(m.isLog());
    EXPECT_EQ(m.getLog().getPosition(), 1234567u);
    EXPECT_EQ(Bytes(m.getLog().getText()), "hello");
  });
}

constexpr uint64_t kXenstoreRequest[] = {
    0x0000000b00000000, 0x0001000200000000, 0x0000000800000007, 0x0000000000000007,
    0x0002000000000000, 0x0000003a00000005, 0x0000001600000005, 0x00006c61636f6c2f,
    0x0000001a00000005, 0x0000001a00000005, 0x000000000000306e, 0x0000000000003572};
TEST(FirstVersion, XenstoreRequest) {
  Decode<XenstoreRequest>(kXenstoreRequest, [](XenstoreRequest::Reader m) {
    EXPECT_EQ(m.getId(), 7u);
    EXPECT_EQ(m.getTransaction(), 8u);
    ASSERT_TRUE(m.isSetPermissions());
    EXPECT_STREQ(m.getSetPermissions().getPath().cStr(), "/local");
    ASSERT_EQ(m.getSetPermissions().getPermissions().size(), 2u);
    EXPECT_STREQ(m.getSetPermissions().getPermissions()[1].cStr(), "r5");
  });
}

constexpr uint64_t kXenstoreReply[] = {0x0000000500000000, 0x0001000100000000, 0x0000000000000000,
                                       0x0001000100000000, 0x0000000500000007, 0x0000000000000000};
TEST(FirstVersion, XenstoreReply) {
  Decode<XenstoreReply>(kXenstoreReply, [](XenstoreReply::Reader m) {
    ASSERT_TRUE(m.isDone());
    EXPECT_EQ(m.getDone().getId(), 7u);
    EXPECT_EQ(m.getDone().getError(), XenstoreError::NO_ENTRY);
    EXPECT_EQ(m.getDone().getValue().size(), 0u);
  });
}

constexpr uint64_t kVmmRequest[] = {
    0x0000001b00000000, 0x0001000100000000, 0x0000000000000001, 0x0005000100000000,
    0x0000038500000002, 0x0007000500000010, 0x0000000c00000049, 0x0000000000000000,
    0x0000000200000044, 0x0000000000000000, 0x0000000000020000, 0x0000000000040000,
    0x0000000000000402, 0x0000000300000000, 0x0000000000000000, 0x0000003200000019,
    0x0000000000000000, 0x0000004200000015, 0x0000000000000000, 0x0000000000000000,
    0x0000000d0000000d, 0x0000000000000000, 0x0000007473657567, 0x007a756e696c6d76,
    0x0000000000000003, 0x0000000000000384, 0x0000000000001000, 0x0000000000003039};
TEST(FirstVersion, VmmRequest) {
  Decode<VmmRequest>(kVmmRequest, [](VmmRequest::Reader m) {
    EXPECT_EQ(m.getId(), 1u);
    ASSERT_TRUE(m.isStart());
    const auto start = m.getStart();
    EXPECT_EQ(start.getDomid(), 2);
    const auto config = start.getConfig();
    EXPECT_STREQ(config.getName().cStr(), "guest");
    EXPECT_STREQ(config.getKernel().cStr(), "vmlinuz");
    EXPECT_EQ(config.getMemoryKib(), 131072u);
    EXPECT_EQ(config.getMaxMemoryKib(), 262144u);
    EXPECT_EQ(config.getVcpus(), 2);
    EXPECT_EQ(config.getMaxVcpus(), 4);
    EXPECT_EQ(config.getCpus()[0], 3u);
    EXPECT_EQ(config.getWeight(), 256);
    EXPECT_EQ(config.getOnPoweroff(), Action::DESTROY);
    EXPECT_EQ(config.getOnReboot(), Action::RESTART);
    EXPECT_EQ(config.getOnCrash(), Action::PRESERVE);
    EXPECT_EQ(config.getOnWatchdog(), Action::DESTROY);
    EXPECT_EQ(config.getOnSoftReset(), Action::SOFT_RESET);
    EXPECT_EQ(start.getRam()[0], 900u);
    EXPECT_EQ(start.getGuestDomain(), 901u);
    EXPECT_EQ(start.getKernel().getOffset(), 4096u);
    EXPECT_EQ(start.getKernel().getBytes(), 12345u);
    EXPECT_EQ(start.getRamdisk().getBytes(), 0u);
  });
}

constexpr uint64_t kVmmEvent[] = {0x0000000500000000, 0x0001000200000000, 0x0000000400000000,
                                  0x0000000000000000, 0x0000000100000000, 0x0000000300000003};
TEST(FirstVersion, VmmEvent) {
  Decode<VmmEvent>(kVmmEvent, [](VmmEvent::Reader m) {
    ASSERT_TRUE(m.isStopped());
    EXPECT_EQ(m.getStopped().getReason(), 3u);
    EXPECT_EQ(m.getStopped().getAction(), Action::PRESERVE);
  });
}

constexpr uint64_t kToolstackRequest[] = {
    0x0000000600000000, 0x0001000200000000, 0x0000000b00000002, 0x0000000000000000,
    0x0001000100000000, 0x0000000300020004, 0x0000000000000000};
TEST(FirstVersion, ToolstackRequest) {
  Decode<ToolstackRequest>(kToolstackRequest, [](ToolstackRequest::Reader m) {
    EXPECT_EQ(m.getId(), 2u);
    ASSERT_TRUE(m.isGuestControl());
    EXPECT_EQ(m.getGuestControl().getDomid(), 4);
    ASSERT_TRUE(m.getGuestControl().isShutdown());
    EXPECT_EQ(m.getGuestControl().getShutdown(), ShutdownReason::CRASH);
  });
}

constexpr uint64_t kToolstackReply[] = {
    0x0000001300000000, 0x0001000200000000, 0x0003000100000003, 0x0000000000000000,
    0x0000004700000001, 0x0003000500000004, 0x0000000900040004, 0x0000000000000400,
    0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000001200000009,
    0x0000000000000000, 0x0000002700000005, 0x0000000000000067, 0x0000000400000004,
    0x0000000000000102, 0x000000003b9aca07, 0x0000000000000000, 0x0000000000000000};
TEST(FirstVersion, ToolstackReply) {
  Decode<ToolstackReply>(kToolstackReply, [](ToolstackReply::Reader m) {
    EXPECT_EQ(m.getId(), 3u);
    EXPECT_FALSE(m.getLast());
    ASSERT_TRUE(m.isGuests());
    const auto guest = m.getGuests()[0];
    EXPECT_EQ(guest.getDomid(), 4);
    EXPECT_STREQ(guest.getName().cStr(), "g");
    EXPECT_EQ(guest.getMemoryKib(), 1024u);
    EXPECT_TRUE(guest.getShutdown());
    EXPECT_EQ(guest.getShutdownReason(), 9u);
    EXPECT_EQ(guest.getVcpus()[0].getCpu(), 2);
    EXPECT_TRUE(guest.getVcpus()[0].getOnline());
    EXPECT_EQ(guest.getVcpus()[0].getCpuTimeNs(), 1000000007u);
  });
}

// What a later version may send: a root with more data and more pointers than this one knows.
TEST(LaterVersion, UnknownFieldsAreLeftAlone) {
  const uint64_t words[] = {
      0x0000000800000000, 0x0003000400000000,  // four words of data, three pointers
      0x0000000800000007, 0x0000000000000002, 0x5555555555555555, 0xaaaaaaaaaaaaaaaa, 0, 0, 0};
  Decode<XenstoreRequest>(words, [](XenstoreRequest::Reader m) {
    EXPECT_EQ(m.getId(), 7u);
    EXPECT_EQ(m.getTransaction(), 8u);
    EXPECT_TRUE(m.isRead());
  });
}

// A member of the union that this version does not know is none of those that it does.
TEST(LaterVersion, UnknownOperationIsSeenAsSuch) {
  const uint64_t words[] = {0x0000000400000000, 0x0001000200000000, 0x0000000000000001,
                            0x00000000000003e8, 0};
  Decode<XenstoreRequest>(words, [](XenstoreRequest::Reader m) {
    EXPECT_EQ(static_cast<unsigned>(m.which()), 1000u);
    EXPECT_FALSE(m.isDirectory() || m.isRead() || m.isControl());
  });
}

}  // namespace
}  // namespace pyrene::proto
