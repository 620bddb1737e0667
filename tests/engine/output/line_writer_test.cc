// A reader may be slow, gone or full: we never wait unless asked to, and lose whole lines only.
#include "engine/output/line_writer.h"

#include <sys/resource.h>

#include <cerrno>
#include <chrono>
#include <thread>
#include <vector>

#include "tests/engine/base/text_file.h"
#include "tests/engine/output/line_writer_support.h"
#include "tests/engine/process/child.h"

namespace tcpeek::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test::numbered;
using test::Pipe;
using test::Terminal;
using test::TextFile;

class LineWriterTest : public test::IgnoresSigpipe {};

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
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(60));
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
  EXPECT_EQ(writer.unwritten(), lost + 1);
  writer.flush();
  EXPECT_EQ(pipe.take(), "y\n");
  EXPECT_EQ(writer.lost(), lost);
  EXPECT_EQ(writer.unwritten(), lost);
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
  EXPECT_EQ(writer.unwritten(), 10U);
  EXPECT_EQ(writer.error(), 0);
  writer.flush();
  EXPECT_EQ(writer.lost(), 10U);
  EXPECT_EQ(writer.unwritten(), 10U);
  EXPECT_EQ(writer.error(), EPIPE);
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
  EXPECT_EQ(writer.error(), ENOSPC);
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

TEST_F(LineWriterTest, KnowsATerminal) {
  const Terminal terminal;
  const LineWriter writer(terminal.slave.get());
  EXPECT_TRUE(writer.terminal());
}

// A terminal that nobody reads: poll() calls it writable with room for a byte.
TEST_F(LineWriterTest, AFrozenTerminal) {
  const std::string told = test::in_child([] {
    const Terminal terminal;
    LineWriter writer(terminal.slave.get());
    for (std::size_t i = 0; i < 40'000; ++i) {
      writer.line(numbered(i));
      if (i % 10 == 0) writer.flush();
    }
    writer.flush();
    return "done, " + std::string(writer.lost() > 0 ? "some" : "none") + " lost";
  });
  EXPECT_EQ(told, "done, some lost") << "signal 14 is the alarm: it waited";
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
