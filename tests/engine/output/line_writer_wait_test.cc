// Waiting for a reader: for a while, or until something interrupts.
#include <pthread.h>
#include <sys/eventfd.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "engine/output/line_writer.h"
#include "tests/engine/base/text_file.h"
#include "tests/engine/output/line_writer_support.h"

namespace tcpeek::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test::numbered;
using test::Pipe;
using test::Terminal;
using test::TextFile;

class LineWriterWaitTest : public test::IgnoresSigpipe {};

TEST_F(LineWriterWaitTest, FlushForWaitsForASlowReader) {
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

TEST_F(LineWriterWaitTest, FlushForEndsAtItsDeadline) {
  const Pipe pipe;
  LineWriter writer(pipe.writing.get());
  for (int i = 0; i < 200; ++i) writer.line(std::string(999, 'x'));
  const auto start = steady_clock::now();
  writer.flush_for(milliseconds(150));
  const auto taken = steady_clock::now() - start;
  EXPECT_GE(taken, milliseconds(140));
  EXPECT_LT(taken, std::chrono::seconds(60));
}

TEST_F(LineWriterWaitTest, FlushForReturnsWhenAllIsWritten) {
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

// Ctrl-C pressed twice does not cost the summary.
TEST_F(LineWriterWaitTest, ASignalDoesNotEndFlushForEarly) {
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
    const auto deadline = steady_clock::now() + std::chrono::seconds(60);
    while (text.size() < 200'000 && steady_clock::now() < deadline) text += pipe.take();
  });
  writer.flush_for(std::chrono::seconds(60));
  reader.join();
  EXPECT_EQ(text.size(), 200'000U);
  ASSERT_EQ(::sigaction(SIGUSR1, &before, nullptr), 0);
}

// A terminal that stands still, and goes on after a while.
TEST_F(LineWriterWaitTest, WaitingForAFrozenTerminalLosesNothing) {
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
  writer.flush_blocking();
  done = true;
  reader.join();
  EXPECT_EQ(writer.lost(), 0U);
  EXPECT_EQ(newlines, kLines);
}

TEST_F(LineWriterWaitTest, WaitingWhenFullLosesNothing) {
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
  writer.flush_blocking();
  reader.request_stop();
  reader.join();
  EXPECT_EQ(writer.lost(), 0U);
  EXPECT_EQ(test::lines_of(text), expected);
}

// poll() tells both that there is room, and one of them takes it: the other goes on waiting.
TEST_F(LineWriterWaitTest, TwoThatWaitForOneReaderLoseNothing) {
  const Pipe pipe;
  constexpr std::size_t kLines = 5000;
  std::atomic<std::uint64_t> lost{0};
  const auto fill = [&] {
    LineWriter writer(pipe.writing.get());
    writer.wait_when_full(-1);
    for (std::size_t i = 0; i < kLines; ++i) writer.line(std::string(4000, 'x'));
    writer.flush_blocking();
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

TEST_F(LineWriterWaitTest, AnInterruptEndsTheWaiting) {
  const Pipe pipe;
  const ring::Descriptor event(::eventfd(0, EFD_CLOEXEC));
  LineWriter writer(pipe.writing.get());
  writer.wait_when_full(event.get());
  const auto start = steady_clock::now();
  std::jthread later([&] {
    std::this_thread::sleep_for(milliseconds(100));
    ::eventfd_write(event.get(), 1);
  });
  while (writer.lost() == 0) writer.line(std::string(999, 'x'));
  EXPECT_GE(steady_clock::now() - start, milliseconds(90)) << "it waited until then";
  const auto interrupted = steady_clock::now();
  for (int i = 0; i < 1000; ++i) writer.line("x");
  writer.flush_blocking();
  EXPECT_LT(steady_clock::now() - interrupted, std::chrono::seconds(60)) << "and waits no more";
  // The last line finds room once the reader reads after all.
  EXPECT_GT(pipe.take(65'536).size(), 0U);
  writer.flush_for(milliseconds(100));
  const std::uint64_t lost = writer.lost();
  writer.line("last line");
  EXPECT_EQ(writer.lost(), lost);
}

}  // namespace
}  // namespace tcpeek::engine
