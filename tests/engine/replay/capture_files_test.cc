// Files as one stream: which block is of which file, what the interfaces are called, what is wrong.
#include "engine/replay/capture_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <string>
#include <vector>

#include "engine/base/usage_error.h"
#include "tests/ring/ways_in.h"

namespace tcpeek::engine {
namespace {

using ring::SavedPacket;
using ring::savefile_test::pattern;
using ring::savefile_test::TempFile;
using test::Order;
using test::PcapngWriter;
using test::PcapWriter;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint16_t kEthernet = 1;
constexpr std::uint16_t kWireless = 127;

PcapWriter pcap(std::uint32_t second, std::uint32_t packets, std::uint16_t link_type = kEthernet) {
  PcapWriter file(Order::little, PcapWriter::Unit::microseconds, link_type);
  for (std::uint32_t i = 0; i < packets; ++i) file.packet(second + i, 0, pattern(10));
  return file;
}

class CaptureFilesTest : public testing::Test {
 protected:
  CaptureFiles open(const std::vector<std::string>& paths, const std::string& bpf = "") {
    return {
        paths, bpf, event_.get(), {}, [this](const std::string& line) { warned_.push_back(line); }};
  }

  // Seconds of all packets, and for each block how many there are.
  void read_all(CaptureFiles& files, std::size_t most = 64) {
    std::vector<SavedPacket> packets;
    while (files.read(packets, most)) {
      blocks_.push_back(packets.size());
      for (const SavedPacket& p : packets) {
        seconds_.push_back(p.time_ns / 1'000'000'000);
        ASSERT_LT(p.interface, files.interfaces().size());
        numbers_.push_back(files.interfaces()[p.interface].number);
      }
    }
  }

  ring::Descriptor event_{::eventfd(0, EFD_CLOEXEC)};
  std::vector<std::string> warned_;
  std::vector<std::size_t> blocks_;
  std::vector<std::int64_t> seconds_;
  std::vector<std::uint32_t> numbers_;
};

TEST_F(CaptureFilesTest, ReadsOneAfterTheOther) {
  const TempFile one(pcap(1, 3).bytes()), none(pcap(9, 0).bytes()), two(pcap(4, 2).bytes());
  CaptureFiles files = open({one.path(), none.path(), two.path()});
  files.recognise();
  EXPECT_EQ(files.describe(), one.path() + ", link-type EN10MB (Ethernet); " + none.path() +
                                  ", link-type EN10MB (Ethernet); " + two.path() +
                                  ", link-type EN10MB (Ethernet)");
  const std::uint64_t size = pcap(1, 3).bytes().size() + 24 + pcap(4, 2).bytes().size();
  EXPECT_EQ(files.total(), std::optional<std::uint64_t>(size));
  read_all(files, 2);
  EXPECT_THAT(seconds_, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(blocks_, ElementsAre(2, 1, 2)) << "a block is of one file";
  EXPECT_THAT(files.packets(), ElementsAre(3, 0, 2));
  EXPECT_EQ(files.passed(), size);
  EXPECT_THAT(files.faults(), IsEmpty());
  EXPECT_THAT(warned_, IsEmpty());
}

TEST_F(CaptureFilesTest, TheSameInterfaceHasTheSameNumberInAllFiles) {
  const TempFile one(PcapngWriter()
                         .interface(kEthernet, 0, {test::if_name("eth0")})
                         .interface(kEthernet, 0, {test::if_name("eth1")})
                         .enhanced(0, 1, pattern(1))
                         .enhanced(1, 2, pattern(1))
                         .bytes());
  const TempFile two(PcapngWriter(Order::big)
                         .interface(kEthernet, 0, {test::if_name("eth0")})
                         .interface(101, 0, {test::if_name("eth1")})
                         .enhanced(1, 3, pattern(1))
                         .enhanced(0, 4, pattern(1))
                         .bytes());
  const TempFile three(pcap(1, 1).bytes());
  CaptureFiles files = open({one.path(), two.path(), three.path()});
  files.recognise();
  read_all(files);
  EXPECT_THAT(numbers_, ElementsAre(1, 2, 3, 1, 4));
  EXPECT_EQ(files.interface_name(1), "eth0");
  EXPECT_EQ(files.interface_name(2), "eth1");
  EXPECT_EQ(files.interface_name(3), "eth1");
  EXPECT_EQ(files.interface_name(4), three.path());
  EXPECT_EQ(files.interface_name(5), "5");
}

TEST_F(CaptureFilesTest, DamageEndsAFileAndTheNextIsRead) {
  test::Octets cut = pcap(1, 3).bytes();
  cut.pop_back();
  const TempFile one(cut), two(pcap(7, 1).bytes());
  CaptureFiles files = open({one.path(), two.path()});
  files.recognise();
  read_all(files);
  EXPECT_THAT(seconds_, ElementsAre(1, 2, 7));
  EXPECT_THAT(files.faults(),
              ElementsAre(one.path() + ": damaged at byte 76: the file ends within "
                                       "a record; everything before it is counted"));
}

TEST_F(CaptureFilesTest, DamagedTimesAreToldOnceAFileAndNoFault) {
  const TempFile one(PcapWriter(Order::little, PcapWriter::Unit::microseconds)
                         .packet(1, 1'000'000, pattern(1))
                         .packet(2, 7, pattern(1))
                         .packet(3, 0x80000000, pattern(1))
                         .bytes());
  const TempFile two(pcap(4, 2).bytes());
  CaptureFiles files = open({one.path(), two.path()});
  files.recognise();
  read_all(files);
  EXPECT_THAT(seconds_, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(files.faults(), IsEmpty());
  EXPECT_THAT(warned_,
              ElementsAre(one.path() + ": 2 packets have a damaged time (a fraction of a second or "
                                       "more): second and order are kept"));
}

TEST_F(CaptureFilesTest, AnUnknownLinkTypeIsNamedOnceAFile) {
  PcapngWriter odd;
  odd.interface(kWireless).interface(kWireless).interface(kEthernet).enhanced(2, 1, pattern(1));
  for (int section = 0; section < 3; ++section) {
    odd.section(Order::little).interface(kWireless).enhanced(0, 2, pattern(1));
  }
  const TempFile one(odd.bytes()), two(odd.bytes());
  CaptureFiles files = open({one.path(), two.path()});
  files.recognise();
  read_all(files);
  EXPECT_EQ(seconds_.size(), 8U);
  ASSERT_EQ(warned_.size(), 2U);
  EXPECT_THAT(warned_[0], HasSubstr(one.path() + ": tcpeek does not read link type 127"));
  EXPECT_THAT(warned_[1], HasSubstr(two.path() + ": tcpeek does not read link type 127"));
  EXPECT_THAT(files.faults(), IsEmpty()) << "each has an interface that is read";
}

TEST_F(CaptureFilesTest, NothingButUnknownLinkTypesIsAFault) {
  const TempFile file(PcapngWriter().interface(kWireless).enhanced(0, 1, pattern(1)).bytes());
  CaptureFiles files = open({file.path()});
  files.recognise();
  read_all(files);
  ASSERT_EQ(files.faults().size(), 1U);
  EXPECT_THAT(files.faults()[0], HasSubstr("does not read link type 127"));
}

TEST_F(CaptureFilesTest, APcapOfAnUnknownLinkTypeIsRefused) {
  const TempFile file(pcap(1, 1, kWireless).bytes());
  CaptureFiles files = open({file.path()});
  EXPECT_THROW(files.recognise(), std::runtime_error);
}

TEST_F(CaptureFilesTest, AnExpressionThatDoesNotFitIsTheUsersMistake) {
  const TempFile raw(pcap(1, 1, 101).bytes()), ethernet(pcap(1, 1).bytes());
  CaptureFiles fits = open({ethernet.path()}, "ether src 02:00:00:00:00:01");
  fits.recognise();
  CaptureFiles files = open({raw.path()}, "ether src 02:00:00:00:00:01");
  EXPECT_THROW(files.recognise(), UsageError);
}

TEST_F(CaptureFilesTest, AnInterruptEndsReadingAtOnce) {
  const TempFile file(pcap(1, 10).bytes());
  CaptureFiles files = open({file.path()});
  files.recognise();
  std::vector<SavedPacket> packets;
  ASSERT_TRUE(files.read(packets, 3));
  EXPECT_EQ(::eventfd_write(event_.get(), 1), 0);
  EXPECT_FALSE(files.read(packets, 3));
  EXPECT_THAT(files.packets(), ElementsAre(3));
  EXPECT_THAT(files.faults(), IsEmpty());
}

TEST_F(CaptureFilesTest, InterruptedBeforeItKnowsWhatTheFilesAre) {
  const TempFile file(pcap(1, 10).bytes());
  CaptureFiles files = open({file.path()});
  EXPECT_EQ(::eventfd_write(event_.get(), 1), 0);
  files.recognise();
  std::vector<SavedPacket> packets;
  EXPECT_FALSE(files.read(packets, 3));
  EXPECT_EQ(files.describe(), file.path());
  EXPECT_THAT(files.packets(), ElementsAre(0));
}

}  // namespace
}  // namespace tcpeek::engine
