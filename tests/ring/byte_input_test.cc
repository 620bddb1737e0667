// Bytes come out the same whatever way they came in: from a file, piped, compressed; what cannot be
// opened is refused, and what blocks can be interrupted.

#include "ring/byte_input.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <system_error>
#include <vector>

#include "ring/descriptor.h"
#include "tests/ring/byte_input_support.h"
#include "tests/support/net_namespace.h"

namespace tcpeek::ring::savefile_test {
namespace {

using test::Order;
using test::PcapngWriter;
using test::PcapWriter;

TEST(ByteInputTest, EveryWayInGivesTheSameBytes) {
  std::uint64_t seed = 0;
  for (const std::size_t size : {1UL, 2UL, 3UL, 4UL, 5UL, 999UL, 70'000UL, (1UL << 20) - 1,
                                 1UL << 20, (1UL << 20) + 1, 3'000'000UL}) {
    const Octets bytes = content(size);
    const std::string name = std::to_string(size) + " bytes, ";
    ++seed;
    expect_whole(through_file(bytes, seed), bytes, name + "file");
    expect_whole(through_pipe(bytes, seed), bytes, name + "piped");
    expect_whole(through_file(gzip(bytes), seed), bytes, name + "gzip");
    expect_whole(through_pipe(gzip(bytes), seed), bytes, name + "gzip, piped");
    expect_whole(through_file(zstd(bytes), seed), bytes, name + "zstd");
    expect_whole(through_pipe(zstd(bytes), seed), bytes, name + "zstd, piped");
    expect_whole(through_file(zstd(bytes, false), seed), bytes, name + "zstd of unknown size");
    expect_whole(through_file(zstd(bytes), seed, 4'000'000), bytes, name + "zstd, large windows");
    expect_whole(through_file(gzip(bytes), seed, 4'000'000), bytes, name + "gzip, large windows");
  }
}

// --- What can be opened ---

int error_of(const std::string& path) {
  try {
    static_cast<void>(open_input(path, -1));
  } catch (const std::system_error& e) {
    EXPECT_NE(std::string(e.what()).find(path), std::string::npos) << e.what();
    return e.code().value();
  }
  return 0;
}

TEST(ByteInputTest, MissingFilesAndDirectoriesAreRefused) {
  EXPECT_EQ(error_of("/nonexistent/file.pcap"), ENOENT);
  EXPECT_EQ(error_of(testing::TempDir()), EISDIR);
  const TempFile file(pattern(5));
  EXPECT_EQ(error_of(file.path() + "/x"), ENOTDIR);
}

TEST(ByteInputTest, EmptyFileIsEmpty) {
  expect_whole(through_file({}), {}, "file");
  expect_whole(through_pipe({}), {}, "pipe");
  EXPECT_EQ(read_file({}).refused, "empty, there is no data in it");
  EXPECT_EQ(read_pipe({}).refused, "empty, there is no data in it");
  expect_whole(read_bytes(open_input("/dev/null", -1)), {}, "device");
}

// Files of the kernel's tell no size.
TEST(ByteInputTest, FileThatTellsNoSizeIsReadToItsEnd) {
  std::ifstream in("/proc/self/status");
  EXPECT_GT(read_bytes(open_input("/proc/self/status", -1)).bytes.size(), 100U);
  EXPECT_EQ(read_bytes(open_input("/proc/version", -1)).trouble, "");
}

TEST(ByteInputTest, ProgressCountsBytesOfTheFile) {
  const Octets bytes = content(300'000);
  for (const Octets& file : {bytes, gzip(bytes), zstd(bytes)}) {
    const BytesRead read = through_file(file);
    EXPECT_EQ(read.passed, file.size());
    EXPECT_EQ(read.total, std::optional<std::uint64_t>(file.size()));
    const BytesRead piped = through_pipe(file);
    EXPECT_EQ(piped.passed, file.size());
    EXPECT_EQ(piped.total, std::nullopt);
  }
}

// Standard input for as long as it lives.
class StandardInput {
 public:
  explicit StandardInput(int fd) : before_(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10)) {
    ::dup2(fd, STDIN_FILENO);
  }
  ~StandardInput() {
    if (before_ >= 0) {
      ::dup2(before_, STDIN_FILENO);
      ::close(before_);
    } else {
      ::close(STDIN_FILENO);
    }
  }
  StandardInput(const StandardInput&) = delete;
  StandardInput& operator=(const StandardInput&) = delete;

 private:
  int before_;
};

TEST(ByteInputTest, WhatIsLeftOfStandardInputIsRead) {
  const Octets bytes = content(10'000);
  for (const std::size_t already : {0U, 1U, 9'999U, 10'000U}) {
    const TempFile file(bytes);
    const Descriptor open_file(::open(file.path().c_str(), O_RDONLY));
    ASSERT_EQ(::lseek(open_file.get(), static_cast<off_t>(already), SEEK_SET),
              static_cast<off_t>(already));
    const StandardInput standard(open_file.get());
    expect_whole(read_bytes(open_input("-", -1)),
                 Octets(bytes.begin() + static_cast<std::ptrdiff_t>(already), bytes.end()),
                 "standard input");
  }
}

// --- Interrupts ---

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    read_end = Descriptor(ends[0]);
    write_end = Descriptor(ends[1]);
  }
  [[nodiscard]] std::string path() const { return "/dev/fd/" + std::to_string(read_end.get()); }
  void write(const Octets& bytes) const {
    EXPECT_EQ(::write(write_end.get(), bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }
  [[nodiscard]] int bytes_left() const {
    int count = -1;
    EXPECT_EQ(::ioctl(read_end.get(), FIONREAD, &count), 0);
    return count;
  }
  Descriptor read_end;
  Descriptor write_end;
};

// Interrupts a moment after all has been read, while the reader waits in vain.
BytesRead read_until_interrupted(const Octets& bytes) {
  const Pipe pipe;  // its writing end stays open
  const Descriptor event(::eventfd(0, EFD_CLOEXEC));
  pipe.write(bytes);
  std::thread later([&] {
    EXPECT_TRUE(tcpeek::test::eventually([&] { return pipe.bytes_left() == 0; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_EQ(::eventfd_write(event.get(), 1), 0);
  });
  BytesRead read = read_bytes(open_input(pipe.path(), event.get()));
  later.join();
  return read;
}

TEST(ByteInputTest, InterruptEndsAReadThatBlocks) {
  const Octets bytes = content(3000);
  EXPECT_TRUE(read_until_interrupted(bytes).bytes == bytes);
  EXPECT_EQ(read_until_interrupted(bytes).trouble, "");
  EXPECT_TRUE(read_until_interrupted(first_of(bytes, 2)).bytes == first_of(bytes, 2))
      << "even before the file tells what it is";
  EXPECT_TRUE(read_until_interrupted({}).bytes.empty());
  expect_prefix(read_until_interrupted(first_of(gzip(bytes), 400)), bytes, "gzip");
  expect_prefix(read_until_interrupted(first_of(zstd(bytes), 400)), bytes, "zstd");
}

// Asked three times while the reader waits in vain; it goes on until it is interrupted.
TEST(ByteInputTest, QuestionsAreAnsweredWhileAReadBlocks) {
  const Octets bytes = content(3000);
  for (const Octets& written : {bytes, first_of(bytes, 2), Octets{}, gzip(bytes)}) {
    const Pipe pipe;
    const Descriptor end(::eventfd(0, EFD_CLOEXEC));
    const Descriptor question(::eventfd(1, EFD_CLOEXEC));
    pipe.write(written);
    int answers = 0;
    const auto answer = [&] {
      eventfd_t value = 0;
      EXPECT_EQ(::eventfd_read(question.get(), &value), 0);
      EXPECT_EQ(::eventfd_write(++answers < 3 ? question.get() : end.get(), 1), 0);
    };
    const BytesRead read =
        read_bytes(open_input(pipe.path(), end.get(), {}, {question.get(), answer}));
    EXPECT_EQ(answers, 3);
    EXPECT_EQ(read.trouble, "");
    EXPECT_TRUE(read.bytes == written || read.bytes == bytes);
  }
}

TEST(ByteInputTest, InterruptDoesNotMatterToAFile) {
  const Descriptor event(::eventfd(1, EFD_CLOEXEC));
  const Octets bytes = content(3000);
  for (const Octets& packed : {bytes, gzip(bytes)}) {
    const TempFile file(packed);
    expect_whole(read_bytes(open_input(file.path(), event.get())), bytes, "file");
  }
}

// --- Packets ---

Octets capture_of(bool pcapng) {
  PcapWriter pcap(Order::big, PcapWriter::Unit::nanoseconds);
  PcapngWriter ng(Order::little);
  ng.interface(1, 0, {test::if_name("eth0"), test::if_tsresol(9)}).interface(101);
  for (std::uint32_t i = 0; i < 1500; ++i) {
    const Octets packet = noise(i * 37 % 1500, i);
    pcap.packet(i, i, packet);
    ng.enhanced(i % 2, i, packet, i + 1500);
  }
  return pcapng ? ng.bytes() : pcap.bytes();
}

TEST(ByteInputTest, PacketsAreTheSameWhateverWayTheyComeIn) {
  for (const bool pcapng : {false, true}) {
    const Octets bytes = capture_of(pcapng);
    const FileRead expected = read_exact(bytes, 1 << 24);
    ASSERT_EQ(expected.packets.size(), 1500U);
    ASSERT_FALSE(expected.damage);
    const Octets one = first_of(bytes, bytes.size() / 3);
    const Octets rest(bytes.begin() + static_cast<std::ptrdiff_t>(one.size()), bytes.end());
    expect_same(read_file(bytes), expected, "file");
    expect_same(read_pipe(bytes, 1, 100), expected, "piped in small pieces");
    expect_same(read_pipe(bytes, 2, 70'000), expected, "piped");
    expect_same(read_file(gzip(bytes)), expected, "gzip");
    expect_same(read_pipe(gzip(bytes), 3, 700), expected, "gzip, piped");
    expect_same(read_file(joined(gzip(one), gzip(rest))), expected, "two members");
    expect_same(read_file(joined(gzip(bytes), Octets(1000))), expected, "gzip and padding");
    expect_same(read_file(zstd(bytes)), expected, "zstd");
    expect_same(read_pipe(zstd(bytes, false), 4, 700), expected, "zstd, piped");
    expect_same(read_file(joined(zstd(one), zstd(rest))), expected, "two frames");
  }
}

TEST(ByteInputTest, CutCompressedCaptureGivesThePacketsBefore) {
  const Octets bytes = capture_of(true);
  const FileRead whole = read_exact(bytes, 1 << 24);
  for (const Octets& packed : {gzip(bytes), zstd(bytes)}) {
    const FileRead read = read_file(first_of(packed, packed.size() / 2));
    ASSERT_TRUE(read.damage);
    EXPECT_NE(read.damage->what.find("stream ends early"), std::string::npos) << read.damage->what;
    ASSERT_GT(read.packets.size(), 300U);
    ASSERT_LT(read.packets.size(), whole.packets.size());
    EXPECT_TRUE(std::equal(read.packets.begin(), read.packets.end(), whole.packets.begin()));
  }
}

TEST(ByteInputTest, CompressedCaptureDamagedAtItsStartIsNotCalledEmpty) {
  const Octets bytes = capture_of(true);
  for (const Octets& packed : {gzip(bytes), zstd(bytes)}) {
    const std::string refused = read_file(first_of(packed, 12)).refused;
    EXPECT_NE(refused.find("stream ends early"), std::string::npos) << refused;
  }
}

// What /proc/self/status tells, RssFile or RssAnon; 0: it does not.
std::size_t resident_kib(const std::string& kind) {
  std::ifstream in("/proc/self/status");
  for (std::string word; in >> word;) {
    if (word != kind + ":") continue;
    std::size_t kib = 0;
    in >> kib;
    return kib;
  }
  return 0;
}

// A record may say that it is long when there is next to nothing of it.
TEST(ByteInputTest, MemoryGrowsWithWhatIsThereNotWithWhatIsWanted) {
  if (resident_kib("RssAnon") == 0) GTEST_SKIP() << "the kernel does not tell RssAnon";
  const Octets bytes = content(3'000'000);
  FedPipe pipe(bytes, 1, 60'000);
  const auto input = pipe.open();
  ASSERT_FALSE(input->next(0, 1).empty());
  const std::size_t before = resident_kib("RssAnon");
  const auto window = input->next(0, std::size_t{64} << 20);
  EXPECT_TRUE(std::equal(window.begin(), window.end(), bytes.begin(), bytes.end()));
  const std::size_t after = resident_kib("RssAnon");
  EXPECT_LT(after - std::min(before, after), std::size_t{24} << 10) << "KiB, for 3 MB";
}

TEST(ByteInputTest, MemoryDoesNotGrowWithAFile) {
  constexpr std::size_t kSize = std::size_t{64} << 20;
  const TempFile file({});
  ASSERT_EQ(::truncate(file.path().c_str(), kSize), 0);
  if (resident_kib("RssAnon") == 0) GTEST_SKIP() << "the kernel does not tell RssAnon";
  const std::size_t before = resident_kib("RssAnon");
  const auto input = open_input(file.path(), -1);
  std::size_t most = 0;
  std::size_t read = 0;
  for (std::size_t used = 0;;) {
    const auto window = input->next(used, 1);
    if (window.empty()) break;
    used = window.size();
    read += used;
    most = std::max(most, resident_kib("RssAnon"));
  }
  EXPECT_EQ(read, kSize);
  EXPECT_LT(most - std::min(before, most), std::size_t{16} << 10) << "KiB, of 64 MiB read";
}

TEST(ByteInputTest, FilesThatWaitForTheirTurnTakeLittleMemory) {
  constexpr std::size_t kFiles = 500;
  const Octets bytes = content(5000);
  const TempFile plain(bytes);
  const std::size_t before = resident_kib("RssAnon");
  std::vector<std::unique_ptr<ByteInput>> waiting;
  for (std::size_t i = 0; i < kFiles; ++i) {
    waiting.push_back(open_input(plain.path(), -1));
    EXPECT_GE(waiting.back()->next(0, 24).size(), 24U);  // a file's first header
  }
  const std::size_t after = resident_kib("RssAnon");
  EXPECT_LT(after - std::min(before, after), 64 * kFiles) << "KiB";
}

TEST(ByteInputTest, AFileThatGrowsIsReadToItsEnd) {
  const Octets bytes = content(300'000);
  const TempFile file(first_of(bytes, 200'000));
  const auto input = open_input(file.path(), -1);
  Octets read;
  std::size_t used = 0;
  for (std::size_t round = 0;; ++round) {
    const auto window = input->next(used, 1);
    if (window.empty()) break;
    used = window.size();
    read.insert(read.end(), window.begin(), window.end());
    if (round == 0) {
      std::ofstream(file.path(), std::ios::app | std::ios::binary)
          .write(reinterpret_cast<const char*>(bytes.data()) + 200'000, 100'000);
    }
  }
  EXPECT_TRUE(read == bytes);
  EXPECT_EQ(input->trouble(), "");
}

}  // namespace
}  // namespace tcpeek::ring::savefile_test
