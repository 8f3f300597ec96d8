// SPDX-License-Identifier: Apache-2.0
// The expected texts are what xl of Xen 4.17 printed, without the lines of a Domain-0.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/xl/format.h"
#include "services/xl/messages.h"
#include "services/xl/ps_format.h"

namespace pyrene::xl {
namespace {

constexpr size_t kHeader = 73;  // bytes of the first line of `xl list`
constexpr char kUuid[] = "872c92a6-4f8b-41f5-b230-52098c3a55b8";

DomainInfo Domu() {
  DomainInfo domain;
  domain.domid = 2;
  domain.name = "domu";
  domain.uuid = kUuid;
  domain.memory_kib = 131072;
  domain.vcpus_online = 1;
  domain.blocked = true;
  domain.cpu_time_ns = 900'000'000;
  domain.start_time_s = 1000;
  return domain;
}

TEST(FormatList, Plain) {
  EXPECT_EQ(FormatList({Domu()}, {}),
            "Name                                        ID   Mem VCPUs\tState\tTime(s)\n"
            "domu                                         2   128     1     -b----       0.9\n");
  EXPECT_EQ(FormatList({}, {}),
            "Name                                        ID   Mem VCPUs\tState\tTime(s)\n");
}

TEST(FormatList, StatesAsXlShowsThem) {
  DomainInfo paused = Domu();
  paused.paused = true;
  EXPECT_EQ(FormatList({paused}, {}).substr(kHeader),
            "domu                                         2   128     1     -bp---       0.9\n");
  DomainInfo off;
  off.domid = 1;
  off.name = "seed";
  off.memory_kib = 448 * 1024;
  off.vcpus_online = 1;
  off.paused = true;
  off.shutdown = true;
  off.cpu_time_ns = 1'200'000'000;
  EXPECT_EQ(FormatList({off}, {}).substr(kHeader),
            "seed                                         1   448     1     --ps--       1.2\n");
  constexpr char kLetters[] = "-rscwS?";
  for (uint32_t reason = 0; reason < 7; ++reason) {
    off.shutdown_reason = reason;
    EXPECT_EQ(FormatList({off}, {})[kHeader + 67], kLetters[reason]) << reason;
  }
  off.shutdown_reason = 0xffffffff;
  off.dying = true;
  off.running = true;
  EXPECT_EQ(FormatList({off}, {}).substr(kHeader + 63, 6), "r-ps?d");
}

TEST(FormatList, Verbose) {
  EXPECT_EQ(FormatList({Domu()}, {true, false, false, false}),
            "Name                                        ID   Mem VCPUs\tState\tTime(s)   UUID     "
            "                       "
            "Reason-Code\tSecurity Label\n"
            "domu                                         2   128     1     -b----       0.9 "
            "872c92a6-4f8b-41f5-b230-52098c3a55b8        -                -\n");
  DomainInfo crashed = Domu();
  crashed.shutdown = true;
  crashed.shutdown_reason = 0xff;
  EXPECT_NE(FormatList({crashed}, {true, false, false, false})
                .find("52098c3a55b8       ff                -\n"),
            std::string::npos);
}

TEST(FormatList, OtherColumns) {
  EXPECT_EQ(FormatList({Domu()}, {false, true, true, true}),
            "Name                                        ID   Mem VCPUs\tState\tTime(s)   Security "
            "Label         Cpupool "
            "NODE Affinity\n"
            "domu                                         2   128     1     -b----       0.9       "
            "         -"
            "          Pool-0 all\n");
}

TEST(FormatList, LongNamesPushTheRest) {
  DomainInfo domain = Domu();
  domain.name = std::string(50, 'x');
  domain.domid = 123456;
  EXPECT_EQ(FormatList({domain}, {}).substr(kHeader),
            std::string(50, 'x') + " 123456   128     1     -b----       0.9\n");
}

TEST(FormatVcpuList, AsXl) {
  VcpuInfo vcpu;
  vcpu.domid = 2;
  vcpu.domain_name = "domu";
  vcpu.online = true;
  vcpu.blocked = true;
  vcpu.cpu_time_ns = 900'000'000;
  VcpuInfo offline = vcpu;
  offline.vcpu = 1;
  offline.online = false;
  offline.cpu_time_ns = 0;
  VcpuInfo running = vcpu;
  running.vcpu = 2;
  running.cpu = 3;
  running.blocked = false;
  running.running = true;
  running.hard_affinity = 0b1011;
  const std::string header =
      "Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)\n";
  EXPECT_EQ(
      FormatVcpuList({vcpu}, 1),
      header + "domu                                 2     0    0   -b-       0.9  all / all\n");
  EXPECT_EQ(FormatVcpuList({offline, running}, 4),
            header +
                "domu                                 2     1    -   --p       0.0  all / all\n"
                "domu                                 2     2    3   r--       0.9  0-1,3 / all\n");
}

TEST(FormatUptime, AsXl) {
  EXPECT_EQ(FormatUptime({Domu()}, 1009, false),
            "Name                                ID Uptime\n"
            "domu                                 2  0:00:09\n");
  // 1970-01-02 03:04:05 UTC
  EXPECT_EQ(FormatUptime({Domu()}, 86400 + 3 * 3600 + 4 * 60 + 5, true),
            " 03:04:05 up 1 day,  2:47, domu (2)\n");
  EXPECT_EQ(FormatDuration(0, false), " 0:00:00");
  EXPECT_EQ(FormatDuration(-5, false), " 0:00:00");
  EXPECT_EQ(FormatDuration(36000 + 120 + 3, false), "10:02:03");
  EXPECT_EQ(FormatDuration(86400, false), "1 day,  0:00:00");
  EXPECT_EQ(FormatDuration(2 * 86400 + 11 * 3600 + 127, false), "2 days, 11:02:07");
  EXPECT_EQ(FormatDuration(2 * 86400 + 11 * 3600 + 127, true), "2 days, 11:02");
}

TEST(FormatSmall, DomidDomnameVmList) {
  EXPECT_EQ(FormatDomid(Domu()), "2\n");
  EXPECT_EQ(FormatDomname(Domu()), "domu\n");
  EXPECT_EQ(FormatVmList({Domu()}),
            "UUID                                  ID    name\n"
            "872c92a6-4f8b-41f5-b230-52098c3a55b8  2    domu                          \n");
}

TEST(Messages, AsXl) {
  EXPECT_EQ(MessageInvalidDomain("foo"), "foo is an invalid domain identifier (rc=-6)\n");
  EXPECT_EQ(MessageNoSuchDomain("7"), "Error: Domain '7' does not exist.\n");
  EXPECT_EQ(MessageParsingConfig("guest.cfg"), "Parsing config from guest.cfg\n");
  EXPECT_EQ(MessageCannotReadConfig("x.cfg", "No such file or directory"),
            "Failed to read config file: x.cfg: No such file or directory\n");
  EXPECT_EQ(MessageShuttingDown(3), "Shutting down domain 3\n");
  EXPECT_EQ(MessageRebooting(3), "Rebooting domain 3\n");
  EXPECT_EQ(MessageNoSuchCommand(), "command not implemented\n");
  EXPECT_EQ(MessageNoDomidOfName("x"),
            "Can't get domid of domain name 'x', maybe this domain does not exist.\n");
  EXPECT_EQ(MessageNoNameOfDomid(9),
            "Can't get domain name of domain id '9', maybe this domain does not exist.\n");
  EXPECT_EQ(MessageInvalidDomid(), "Invalid domain id.\n\n");
  EXPECT_EQ(MessageDomainOrAll(), "You must specify -a or a domain id.\n\n");
  EXPECT_EQ(MessageDestroyFailed(kErrorFail), "destroy failed (rc=-3)\n");
  EXPECT_EQ(MessageShutdownFailed(kErrorFail), "shutdown failed (rc=-3)\n");
  EXPECT_EQ(MessageRebootFailed(kErrorFail), "reboot failed (rc=-3)\n");
  EXPECT_EQ(MessageUnknownGlobalOption(), "unknown global option\n");
  EXPECT_EQ(MessageWaitingFor(1), "Waiting for 1 domains\n");
  EXPECT_EQ(MessageHasBeenDestroyed(3), "Domain 3 has been destroyed\n");
  EXPECT_EQ(MessageHasShutDown(3, 1), "Domain 3 has been shut down, reason code 1\n");
}

TEST(FormatPs, Table) {
  ServiceInfo init;
  init.name = "init";
  init.state = "running";
  init.memory_kib = 1104;
  init.cpu_time_ns = 12'345'678;
  init.cpu = 0;
  init.priority = 10;
  ServiceInfo console = init;
  console.name = "console";
  console.generation = 3;
  console.memory_kib = 900;
  console.cpu = -1;
  console.priority = 200;
  EXPECT_EQ(FormatPs({init, console}, 936712),
            "NAME                 STATE        GEN  MEM(KiB)   TIME(s)  CPU PRIO\n"
            "init                 running        0      1104     0.012    0   10\n"
            "console              running        3       900     0.012  any  200\n"
            "(all)                                      2004     0.025\n"
            "(free)                                   936712\n");
  console.capabilities = {{1, "Irq", "", "uart"}, {12, "Memory", "rw", "uart registers"}};
  EXPECT_EQ(FormatCapabilities({init, console}),
            "init\n"
            "        none\n"
            "console\n"
            "     1  Irq                             uart\n"
            "    12  Memory        rw                uart registers\n");
}

}  // namespace
}  // namespace pyrene::xl
