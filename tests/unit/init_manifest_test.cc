// SPDX-License-Identifier: Apache-2.0
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "proto/block.capnp.h"
#include "proto/connect.h"
#include "proto/console.capnp.h"
#include "proto/fs.capnp.h"
#include "proto/toolstack.capnp.h"
#include "proto/xenstore.capnp.h"
#include "services/init/manifest_check.h"
#include "services/init/manifests.h"

namespace pyrene::init {
namespace {

const std::vector<std::string> kRaspberryPi = {"raspberrypi,4-model-b", "brcm,bcm2711"};

// The check's complaint about the Raspberry Pi's manifest after `change`.
std::string Complaint(const std::function<void(proto::Manifest::Builder)>& change) {
  capnp::MallocMessageBuilder message;
  message.setRoot(ChooseManifest(Manifests(), kRaspberryPi).value());
  change(message.getRoot<proto::Manifest>());
  return std::string(CheckManifest(message.getRoot<proto::Manifest>().asReader()).message());
}

TEST(ManifestTest, EachPlatformHasOneThatPasses) {
  ASSERT_EQ(Manifests().size(), 2u);
  for (const proto::Manifest::Reader& manifest : Manifests()) {
    EXPECT_TRUE(CheckManifest(manifest).ok()) << CheckManifest(manifest);
  }
  EXPECT_STREQ(ChooseManifest(Manifests(), kRaspberryPi)->getPlatform().cStr(), "raspi4b");
  EXPECT_STREQ(ChooseManifest(Manifests(), {"linux,dummy-virt"})->getPlatform().cStr(), "virt");
  EXPECT_EQ(ChooseManifest(Manifests(), {"acme,board", "acme,soc"}).status().message(),
            "no manifest for a machine that is acme,board, acme,soc");
}

TEST(ManifestTest, ChannelsCarryTheSchemasOfTheirEnds) {
  for (const proto::Manifest::Reader& manifest : Manifests()) {
    for (const auto channel : manifest.getChannels()) {
      const std::string name = channel.getName().cStr();
      const uint64_t expected = name == "toolstack" ? proto::SchemaId<proto::ToolstackRequest>()
                                : name == "console" ? proto::SchemaId<proto::ConsoleRequest>()
                                : name == "fs" || name == "files"
                                    ? proto::SchemaId<proto::FsRequest>()
                                : name == "xenstore" ? proto::SchemaId<proto::XenstoreRequest>()
                                                     : proto::SchemaId<proto::BlockRequest>();
      EXPECT_EQ(channel.getSchemaId(), expected) << name;
    }
  }
}

TEST(ManifestTest, ComplaintsNameThePlaceAndTheRange) {
  EXPECT_EQ(Complaint([](auto) {}), "");
  EXPECT_EQ(Complaint([](auto m) { m.getServices()[0].setHeapKib(12); }),
            "manifest raspi4b: service console: heapKib is 12, not 64..262144");
  EXPECT_EQ(Complaint([](auto m) { m.getServices()[0].setHeapKib(66); }),
            "manifest raspi4b: service console: heapKib is 66, not a multiple of 4");
  EXPECT_EQ(Complaint([](auto m) { m.getServices()[1].setPriority(31); }),
            "manifest raspi4b: service xenstore: priority is 31, not 1..30");
  EXPECT_EQ(Complaint([](auto m) { m.getServices()[1].setName("console"); }),
            "manifest raspi4b: service console: the name console is there twice");
  EXPECT_EQ(Complaint([](auto m) { m.getServices()[1].setName("Xen store"); }),
            "manifest raspi4b: service Xen store: the name Xen store has other characters than a-z "
            "0-9 . -");
  EXPECT_EQ(Complaint([](auto m) { m.getServices()[1].setName("init"); }),
            "manifest raspi4b: service init: the name init is there twice");
  EXPECT_EQ(Complaint([](auto m) { m.getServices()[0].setFile(""); }),
            "manifest raspi4b: service console: no file");
  EXPECT_EQ(Complaint([](auto m) { m.getServices()[0].setBudgetUs(10); }),
            "manifest raspi4b: service console: budgetUs without periodUs");
  EXPECT_EQ(Complaint([](auto m) { m.getChannels()[0].setClient("nobody"); }),
            "manifest raspi4b: channel toolstack: there is no service nobody");
  EXPECT_EQ(Complaint([](auto m) { m.getChannels()[1].setClientBit(0); }),
            "manifest raspi4b: channel console: bit 0 of xl has another channel");
  EXPECT_EQ(Complaint([](auto m) { m.getChannels()[1].setClientBit(16); }),
            "manifest raspi4b: channel console: bit is 16, not 0..15");
  EXPECT_EQ(Complaint([](auto m) { m.getChannels()[1].setRingBytes(3000); }),
            "manifest raspi4b: channel console: ringBytes is no power of two");
  const auto to_itself = [](proto::Manifest::Builder m) {
    m.getChannels()[1].setServer("xl");
    m.getChannels()[1].setServerBit(9);
  };
  EXPECT_EQ(Complaint(to_itself), "manifest raspi4b: channel console: both ends are xl");
  EXPECT_EQ(Complaint([](auto m) { m.getChannels()[1].setSchemaId(0); }),
            "manifest raspi4b: channel console: no schemaId");
  EXPECT_EQ(
      Complaint([](auto m) { m.getServices()[0].getCapabilities()[1].getDevice().setBase(1); }),
      "manifest raspi4b: service console: uart: base 0x1 is no page's");
  EXPECT_EQ(Complaint([](auto m) { m.getServices()[0].getCapabilities()[2].setIrq(7); }),
            "manifest raspi4b: service console: uart.irq: irq is 7, not 32..1019");
  EXPECT_EQ(Complaint([](auto m) { m.getServices()[0].getCapabilities()[2].setMemory("none"); }),
            "manifest raspi4b: service console: uart.irq: there is no memory none");
  EXPECT_EQ(Complaint([](auto m) { m.getServices()[0].getCapabilities()[2].setName("uart"); }),
            "manifest raspi4b: service console: the name uart is there twice");
  EXPECT_EQ(Complaint([](auto m) { m.getMemories()[0].setAlignment(5000); }),
            "manifest raspi4b: memory console.journal: alignment is no power of two");
  EXPECT_EQ(Complaint([](auto m) { m.setMaxGuests(33); }),
            "manifest raspi4b: maxGuests is 33, not 0..32");
  EXPECT_EQ(Complaint([](auto m) { m.getVmm().setQuotaPages(1); }),
            "manifest raspi4b: service vmm: quotaPages is 1, not 16..65536");
  EXPECT_EQ(Complaint([](auto m) { m.initServices(0); }),
            "manifest raspi4b: services is 0, not 1..32");
  EXPECT_EQ(Complaint([](auto m) { m.initCompatible(0); }),
            "manifest raspi4b: no `compatible` string");
}

// A constant whose bytes are damaged is refused or still a manifest that keeps the ranges; nothing
// is thrown.
TEST(ManifestTest, DamagedBytesAreNoMoreThanRefused) {
  capnp::MallocMessageBuilder message;
  message.setRoot(ChooseManifest(Manifests(), kRaspberryPi).value());
  const kj::Array<capnp::word> whole = capnp::messageToFlatArray(message);
  std::mt19937_64 random(11);
  for (int round = 0; round < 3000; ++round) {
    kj::Array<capnp::word> damaged = kj::heapArray<capnp::word>(whole.size());
    std::memcpy(static_cast<void*>(damaged.begin()), whole.begin(), whole.asBytes().size());
    kj::ArrayPtr<kj::byte> bytes = damaged.asBytes();
    for (int i = 0; i < 3; ++i) {
      bytes[8 + random() % (bytes.size() - 8)] = static_cast<kj::byte>(random());
    }
    capnp::ReaderOptions options;
    options.nestingLimit = 8;
    capnp::FlatArrayMessageReader reader(damaged, options);
    proto::ErrorTrap trap;
    EXPECT_NO_THROW(static_cast<void>(CheckManifest(reader.getRoot<proto::Manifest>())));
  }
}

}  // namespace
}  // namespace pyrene::init
