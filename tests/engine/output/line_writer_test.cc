// A reader may be slow, gone or full: we never wait unless asked to, and lose whole lines only.
#include "engine/output/line_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/engine/base/text_file.h"
#include "tests/engine/process/child.h"

namespace tcpeek::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test::TextFile;

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) ring::throw_errno("pipe2");
    reading = ring::Descriptor(ends[0]);
    writing = ring::Descriptor(ends[1]);
  }
  // What is in it now.
  std::string take(std::size_t at_most = std::size_t{1} << 22) const {
    const int flags = ::fcntl(reading.get(), F_GETFL);
    ::fcntl(reading.get(), F_SETFL, flags | O_NONBLOCK);
    std::string text;
    std::array<char, 4096> buffer{};
    while (text.size() < at_most) {
      const std::size_t size = std::min(buffer.size(), at_most - text.size());
      const auto n = ::read(reading.get(), buffer.data(), size);
      if (n <= 0) break;
      text.append(buffer.data(), static_cast<std::size_t>(n));
    }
    ::fcntl(reading.get(), F_SETFL, flags);
    return text;
  }

  ring::Descriptor reading;
  ring::Descriptor writing;
};

class LineWriterTest : public testing::Test {
 protected:
  void SetUp() override { before_ = ::signal(SIGPIPE, SIG_IGN); }
  void TearDown() override { ::signal(SIGPIPE, before_); }

 private:
  sighandler_t before_ = SIG_DFL;
};

std::string numbered(std::size_t i) {
  return "line " + std::to_string(i) + std::string(i % 97, '.');
}

// poll() tells both that there is room, and one of them takes it.
TEST_F(LineWriterTest, TwoOnOnePipeThatNobodyReadsDoNotWait) {
  const std::string said = test::in_child([] {
    for (int round = 0; round < 300; ++round) {
      const Pipe pipe;
      const auto fill = [&] {
        LineWriter writer(pipe.writing.get());
        for (int line = 0; line < 40; ++line) {
          writer.line(std::string(4000, 'x'));
          writer.flush();
        }
      };
      std::thread other(fill);
      fill();
      other.join();
    }
    return "never waited";
  });
  EXPECT_EQ(said, "never waited");
}

TEST_F(LineWriterTest, LinesArriveInOrder) {
  const TextFile file;
  LineWriter writer(file.descriptor());
  std::vector<std::string> expected;
  for (std::size_t i = 0; i < 1000; ++i) {
    expected.push_back(numbered(i));
    writer.line(expected.back());
    if (i % 7 == 0) writer.flush();
  }
  writer.flush();
  EXPECT_EQ(file.lines(), expected);
  EXPECT_EQ(writer.lost(), 0U);
  EXPECT_FALSE(writer.terminal());
}

TEST_F(LineWriterTest, NothingIsWrittenBeforeFlush) {
  const TextFile file;
  LineWriter writer(file.descriptor());
  writer.line("one");
  EXPECT_EQ(file.text(), "");
  writer.flush();
  EXPECT_EQ(file.text(), "one\n");
  writer.flush();
  EXPECT_EQ(file.text(), "one\n");
}

TEST_F(LineWriterTest, EmptyLines) {
  const TextFile file;
  LineWriter writer(file.descriptor());
  writer.line("");
  writer.line("");
  writer.flush();
  EXPECT_EQ(file.text(), "\n\n");
}

// A pipe takes 64 KiB, the backlog a MiB: then whole lines go, and each is counted.
TEST_F(LineWriterTest, APipeNobodyReads) {
  const Pipe pipe;
  LineWriter writer(pipe.writing.get());
  constexpr std::size_t kLines = 50'000;
  const auto start = steady_clock::now();
  for (std::size_t i = 0; i < kLines; ++i) {
    writer.line(numbered(i));
    if (i % 100 == 0) writer.flush();
  }
  writer.flush();
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(20));
  EXPECT_GT(writer.lost(), 0U);
  EXPECT_LT(writer.lost(), kLines);

  std::string text;
  for (std::string part; !(part = pipe.take()).empty(); writer.flush()) text += part;
  const auto lines = test::lines_of(text);
  EXPECT_GE(text.size(), LineWriter::kMaxBacklog);
  ASSERT_EQ(lines.size() + writer.lost(), kLines);
  // A short line may still find room where a long one did not.
  std::size_t next = 0;
  for (const std::string& line : lines) {
    while (next < kLines && numbered(next) != line) ++next;
    ASSERT_LT(next, kLines) << "torn, doubled or out of order: " << line;
    ++next;
  }
}

TEST_F(LineWriterTest, GoesOnOnceThePipeIsReadAgain) {
  const Pipe pipe;
  LineWriter writer(pipe.writing.get());
  while (writer.lost() == 0) writer.line(std::string(999, 'x'));
  for (std::string part; !(part = pipe.take()).empty(); writer.flush()) {
    EXPECT_EQ(part.find('y'), std::string::npos);
  }
  const std::uint64_t lost = writer.lost();
  writer.line("y");
  writer.flush();
  EXPECT_EQ(pipe.take(), "y\n");
  EXPECT_EQ(writer.lost(), lost);
}

TEST_F(LineWriterTest, ALineLongerThanTheBacklogIsLostAlone) {
  const TextFile file;
  LineWriter writer(file.descriptor());
  writer.line("before");
  writer.line(std::string(LineWriter::kMaxBacklog, 'x'));
  writer.line("after");
  writer.flush();
  EXPECT_EQ(file.text(), "before\nafter\n");
  EXPECT_EQ(writer.lost(), 1U);
  writer.line(std::string(LineWriter::kMaxBacklog - 1, 'x'));
  writer.flush();
  EXPECT_EQ(writer.lost(), 1U) << "this one just fits";
}

TEST_F(LineWriterTest, AReaderThatLeft) {
  Pipe pipe;
  LineWriter writer(pipe.writing.get());
  pipe.reading = ring::Descriptor();
  for (int i = 0; i < 10; ++i) writer.line("x");
  writer.flush();
  EXPECT_EQ(writer.lost(), 10U);
  writer.line("x");
  writer.flush_for(milliseconds(10'000));
  EXPECT_EQ(writer.lost(), 11U);
}

TEST_F(LineWriterTest, AFullDisk) {
  const ring::Descriptor full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_GE(full.get(), 0);
  LineWriter writer(full.get());
  for (int i = 0; i < 3000; ++i) writer.line("some line");
  writer.flush();
  EXPECT_EQ(writer.lost(), 3000U);
}

TEST_F(LineWriterTest, AClosedDescriptor) {
  LineWriter writer(1'000'000);
  writer.line("x");
  writer.flush();
  EXPECT_EQ(writer.lost(), 1U);
}

// A file that takes half a line and then no more, and takes more later: what follows begins on a
// line of its own.
TEST_F(LineWriterTest, AfterHalfALineTheNextOneIsWhole) {
  const std::string text = test::in_child([] {
    const TextFile file;
    ::signal(SIGXFSZ, SIG_IGN);
    LineWriter writer(file.descriptor());
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = 15;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    writer.line("0123456789");
    writer.line("abcdefghij");
    writer.flush();
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    writer.line("whole");
    writer.flush();
    return file.text() + std::to_string(writer.lost()) + " lost";
  });
  const auto lines = test::lines_of(text);
  ASSERT_GE(lines.size(), 3U) << text;
  EXPECT_EQ(lines[0], "0123456789");
  EXPECT_EQ(lines[lines.size() - 2], "whole") << text;
  EXPECT_EQ(lines.back(), "1 lost");
}

TEST_F(LineWriterTest, FlushForWaitsForASlowReader) {
  const Pipe pipe;
  LineWriter writer(pipe.writing.get());
  std::vector<std::string> expected;
  for (std::size_t i = 0; i < 5000; ++i) {
    expected.push_back(numbered(i));
    writer.line(expected.back());
  }
  std::string text;
  std::jthread reader([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      text += pipe.take(8192);
      std::this_thread::sleep_for(milliseconds(1));
    }
    text += pipe.take();
  });
  writer.flush_for(std::chrono::seconds(60));
  reader.request_stop();
  reader.join();
  EXPECT_EQ(test::lines_of(text), expected);
}

TEST_F(LineWriterTest, FlushForEndsAtItsDeadline) {
  const Pipe pipe;
  LineWriter writer(pipe.writing.get());
  for (int i = 0; i < 200; ++i) writer.line(std::string(999, 'x'));
  const auto start = steady_clock::now();
  writer.flush_for(milliseconds(150));
  const auto taken = steady_clock::now() - start;
  EXPECT_GE(taken, milliseconds(140));
  EXPECT_LT(taken, std::chrono::seconds(10));
}

TEST_F(LineWriterTest, FlushForReturnsWhenAllIsWritten) {
  const TextFile file;
  LineWriter writer(file.descriptor());
  writer.line("x");
  const auto start = steady_clock::now();
  writer.flush_for(std::chrono::seconds(60));
  writer.flush_for(std::chrono::seconds(60));
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(30));
  EXPECT_EQ(file.text(), "x\n");
}

void ignore_signal(int) {}

// Who presses Ctrl-C twice still gets the last words.
TEST_F(LineWriterTest, ASignalDoesNotEndFlushForEarly) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = ignore_signal;
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
  const Pipe pipe;
  LineWriter writer(pipe.writing.get());
  for (int i = 0; i < 200; ++i) writer.line(std::string(999, 'x'));
  const pthread_t self = ::pthread_self();
  std::string text;
  std::jthread reader([&] {
    const auto until = steady_clock::now() + milliseconds(200);
    while (steady_clock::now() < until) {
      ::pthread_kill(self, SIGUSR1);
      std::this_thread::sleep_for(milliseconds(5));
    }
    const auto deadline = steady_clock::now() + std::chrono::seconds(5);
    while (text.size() < 200'000 && steady_clock::now() < deadline) text += pipe.take();
  });
  writer.flush_for(std::chrono::seconds(10));
  reader.join();
  EXPECT_EQ(text.size(), 200'000U);
  ASSERT_EQ(::sigaction(SIGUSR1, &before, nullptr), 0);
}

struct Terminal {
  Terminal() {
    int parent = -1;
    int child = -1;
    if (::openpty(&parent, &child, nullptr, nullptr, nullptr) != 0) ring::throw_errno("openpty");
    master = ring::Descriptor(parent);
    slave = ring::Descriptor(child);
  }
  ring::Descriptor master;
  ring::Descriptor slave;
};

TEST_F(LineWriterTest, KnowsATerminal) {
  const Terminal terminal;
  const LineWriter writer(terminal.slave.get());
  EXPECT_TRUE(writer.terminal());
}

// A terminal that nobody reads: poll() calls it writable with room for a byte.
TEST_F(LineWriterTest, AFrozenTerminal) {
  const std::string told = test::in_child(
      [] {
        const Terminal terminal;
        LineWriter writer(terminal.slave.get());
        for (std::size_t i = 0; i < 40'000; ++i) {
          writer.line(numbered(i));
          if (i % 10 == 0) writer.flush();
        }
        writer.flush();
        return "done, " + std::string(writer.lost() > 0 ? "some" : "none") + " lost";
      },
      20);
  EXPECT_EQ(told, "done, some lost") << "signal 14 is the alarm: it waited";
}

// The same terminal, read again after a while, by one who waits.
TEST_F(LineWriterTest, WaitingForAFrozenTerminalLosesNothing) {
  const Terminal terminal;
  LineWriter writer(terminal.slave.get());
  writer.wait_when_full(-1);
  std::atomic<bool> done{false};
  std::size_t newlines = 0;
  std::jthread reader([&] {
    std::this_thread::sleep_for(milliseconds(300));
    std::array<char, 4096> buffer{};
    ::fcntl(terminal.master.get(), F_SETFL, O_NONBLOCK);
    for (;;) {
      const bool last = done;
      const auto n = ::read(terminal.master.get(), buffer.data(), buffer.size());
      if (n > 0) {
        newlines += static_cast<std::size_t>(std::count(buffer.begin(), buffer.begin() + n, '\n'));
      } else if (last) {
        return;
      } else {
        std::this_thread::sleep_for(milliseconds(1));
      }
    }
  });
  constexpr std::size_t kLines = 30'000;
  for (std::size_t i = 0; i < kLines; ++i) {
    writer.line(numbered(i));
    if (i % 10 == 0) writer.flush();
  }
  writer.flush_patiently();
  done = true;
  reader.join();
  EXPECT_EQ(writer.lost(), 0U);
  EXPECT_EQ(newlines, kLines);
}

TEST_F(LineWriterTest, WaitingWhenFullLosesNothing) {
  const Pipe pipe;
  LineWriter writer(pipe.writing.get());
  writer.wait_when_full(-1);
  std::vector<std::string> expected;
  std::string text;
  std::jthread reader([&](const std::stop_token& stop) {
    std::this_thread::sleep_for(milliseconds(100));
    while (!stop.stop_requested()) text += pipe.take(65'536);
    text += pipe.take();
  });
  for (std::size_t i = 0; i < 50'000; ++i) {
    expected.push_back(numbered(i));
    writer.line(expected.back());
  }
  writer.flush_patiently();
  reader.request_stop();
  reader.join();
  EXPECT_EQ(writer.lost(), 0U);
  EXPECT_EQ(test::lines_of(text), expected);
}

// poll() tells both that there is room, and one of them takes it: the other goes on waiting.
TEST_F(LineWriterTest, TwoThatWaitForOneReaderLoseNothing) {
  const Pipe pipe;
  constexpr std::size_t kLines = 5000;
  std::atomic<std::uint64_t> lost{0};
  const auto fill = [&] {
    LineWriter writer(pipe.writing.get());
    writer.wait_when_full(-1);
    for (std::size_t i = 0; i < kLines; ++i) writer.line(std::string(4000, 'x'));
    writer.flush_patiently();
    lost += writer.lost();
  };
  std::size_t newlines = 0;
  std::jthread reader([&](const std::stop_token& stop) {
    for (;;) {
      const bool last = stop.stop_requested();
      const std::string text = pipe.take(5000);
      newlines += static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
      if (last && text.empty()) return;
    }
  });
  std::thread other(fill);
  fill();
  other.join();
  reader.request_stop();
  reader.join();
  EXPECT_EQ(lost, 0U);
  EXPECT_EQ(newlines, 2 * kLines);
}

TEST_F(LineWriterTest, AnInterruptEndsTheWaiting) {
  const Pipe pipe;
  const ring::Descriptor event(::eventfd(0, EFD_CLOEXEC));
  LineWriter writer(pipe.writing.get());
  writer.wait_when_full(event.get());
  std::jthread later([&] {
    std::this_thread::sleep_for(milliseconds(100));
    ::eventfd_write(event.get(), 1);
  });
  const auto start = steady_clock::now();
  while (writer.lost() == 0) writer.line(std::string(999, 'x'));
  EXPECT_GE(steady_clock::now() - start, milliseconds(90)) << "it waited until then";
  const auto interrupted = steady_clock::now();
  for (int i = 0; i < 1000; ++i) writer.line("x");
  writer.flush_patiently();
  EXPECT_LT(steady_clock::now() - interrupted, std::chrono::seconds(10)) << "and waits no more";
  // Last words find room when the reader is there after all.
  EXPECT_GT(pipe.take(65'536).size(), 0U);
  writer.flush_for(milliseconds(100));
  const std::uint64_t lost = writer.lost();
  writer.line("last words");
  EXPECT_EQ(writer.lost(), lost);
}

// The descriptor is the shell's too: its mode is not ours to change.
TEST_F(LineWriterTest, LeavesTheDescriptorsModeAlone) {
  const Pipe pipe;
  LineWriter writer(pipe.writing.get());
  while (writer.lost() == 0) writer.line(std::string(999, 'x'));
  EXPECT_EQ(::fcntl(pipe.writing.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(LineWriterTest, ADescriptorThatDoesNotBlockLosesNothing) {
  const Pipe pipe;
  ::fcntl(pipe.writing.get(), F_SETFL, ::fcntl(pipe.writing.get(), F_GETFL) | O_NONBLOCK);
  LineWriter writer(pipe.writing.get());
  std::vector<std::string> expected;
  for (std::size_t i = 0; i < 5000; ++i) {
    expected.push_back(numbered(i));
    writer.line(expected.back());
    writer.flush();
  }
  std::string text;
  for (std::string part; !(part = pipe.take()).empty(); writer.flush()) text += part;
  EXPECT_EQ(test::lines_of(text), expected);
  EXPECT_EQ(writer.lost(), 0U);
}

}  // namespace
}  // namespace tcpeek::engine
