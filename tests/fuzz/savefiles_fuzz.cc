// A capture file, plain or compressed, read to its end in every way it may come: mapped, through a pipe,
// through windows that end where the record does, and compressed here once more. All ways give the
// same packets, or refuse it with the same words, or end at the same damage.

#include <sys/mman.h>

#include <cstring>

#include "ring/descriptor.h"
#include "ring/inflater.h"
#include "tests/fuzz/input.h"
#include "tests/ring/ways_in.h"

namespace tcpeek::fuzz {
namespace {

using ring::ByteInput;
using ring::SavedPacket;
using ring::SavefileReader;
using ring::savefile_test::ExactInput;

// A few bytes may inflate to very many packets, which are all alike to us.
constexpr std::size_t kMostPackets = 20'000;
constexpr std::size_t kMostBytes = 60'000;  // fit a pipe

struct FileRead {
  std::size_t packets = 0;
  std::uint64_t digest = 14'695'981'039'346'656'037U;  // of all packets, in order
  std::vector<ring::SavedInterface> interfaces;
  std::optional<ring::Damage> damage;
  std::string refused;  // the constructor's words
  bool to_the_end = true;
};

// FNV-1a: it touches every byte.
void digest(FileRead& out, std::span<const std::byte> bytes) {
  for (const std::byte b : bytes) {
    out.digest = (out.digest ^ std::to_integer<std::uint64_t>(b)) * 1'099'511'628'211U;
  }
}

void take(FileRead& out, const SavedPacket& p, std::size_t interfaces) {
  EXPECT_LE(p.bytes.size(), SavefileReader::kMaxPacketBytes);
  EXPECT_LT(p.interface, interfaces);
  ++out.packets;
  digest(out, p.bytes);
  digest(out, std::as_bytes(std::span(&p.time_ns, 1)));
  digest(out, std::as_bytes(std::span(&p.wire_length, 1)));
  digest(out, std::as_bytes(std::span(&p.interface, 1)));
}

FileRead read_to_end(std::unique_ptr<ByteInput> input, std::size_t most) {
  FileRead out;
  std::optional<SavefileReader> reader;
  try {
    reader.emplace(std::move(input));
  } catch (const ring::SavefileError& e) {
    out.refused = e.what();
    EXPECT_FALSE(out.refused.empty());
    return out;
  }
  std::vector<SavedPacket> packets;
  while (out.packets < kMostPackets && reader->read(packets, most)) {
    EXPECT_TRUE(!packets.empty() && packets.size() <= most);
    // Not beyond the bound, so that all ways stop at the same packet.
    packets.resize(std::min(packets.size(), kMostPackets - out.packets));
    for (const SavedPacket& p : packets) take(out, p, reader->interfaces().size());
  }
  out.to_the_end = out.packets < kMostPackets;
  if (!out.to_the_end) return out;
  EXPECT_FALSE(reader->read(packets, most)) << "the end is the end";
  out.interfaces = reader->interfaces();
  out.damage = reader->damage();
  return out;
}

void expect_same(const FileRead& read, const FileRead& expected, const char* way) {
  EXPECT_EQ(read.refused, expected.refused) << way;
  EXPECT_EQ(read.packets, expected.packets) << way;
  EXPECT_EQ(read.digest, expected.digest) << way;
  EXPECT_EQ(read.to_the_end, expected.to_the_end) << way;
  EXPECT_TRUE(std::equal(read.interfaces.begin(), read.interfaces.end(),
                         expected.interfaces.begin(), expected.interfaces.end(),
                         [](const ring::SavedInterface& a, const ring::SavedInterface& b) {
                           return a.name == b.name && a.link_type == b.link_type &&
                                  a.number == b.number;
                         }))
      << way;
  EXPECT_EQ(read.damage.has_value(), expected.damage.has_value()) << way;
  if (!read.damage || !expected.damage) return;
  EXPECT_EQ(read.damage->offset, expected.damage->offset) << way;
  EXPECT_EQ(read.damage->what, expected.damage->what) << way;
}

void write_all(const ring::Descriptor& to, const Octets& bytes) {
  EXPECT_EQ(::write(to.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
}

std::unique_ptr<ByteInput> open_descriptor(const ring::Descriptor& descriptor) {
  return ring::open_input("/proc/self/fd/" + std::to_string(descriptor.get()), -1);
}

// A file without a name.
std::unique_ptr<ByteInput> as_file(const Octets& bytes) {
  const ring::Descriptor file(::memfd_create("savefile", MFD_CLOEXEC));
  write_all(file, bytes);
  return open_descriptor(file);
}

std::unique_ptr<ByteInput> as_pipe(const Octets& bytes) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const ring::Descriptor read_end(ends[0]);
  write_all(ring::Descriptor(ends[1]), bytes);  // and closes it: the input ends
  return open_descriptor(read_end);
}

// One of the ways through a buffer, which cost far more than the others: by the size, so that every
// input of a corpus has its own.
FileRead read_buffered(const Octets& bytes) {
  using namespace ring::savefile_test;
  switch (bytes.size() % 4) {
    case 0:
      return read_to_end(as_file(zstd(bytes)), 64);
    case 1:
      return read_to_end(as_pipe(gzip(bytes, 1)), 64);
    default:
      return read_to_end(as_pipe(bytes), 4096);
  }
}

void run(const Octets& bytes) {
  const FileRead file = read_to_end(as_file(bytes), 64);
  if (ring::compression_of(bytes) != ring::Compression::none) {
    expect_same(read_to_end(as_pipe(bytes), 4096), file, "pipe");
    return;
  }
  expect_same(read_to_end(std::make_unique<ExactInput>(bytes), 1), file, "exact windows");
  expect_same(read_to_end(std::make_unique<ExactInput>(bytes, 5), 3), file, "larger windows");
  expect_same(read_buffered(bytes), file, "buffer");
}

}  // namespace
}  // namespace tcpeek::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > tcpeek::fuzz::kMostBytes) return -1;
  FuzzedDataProvider input(data, size);
  tcpeek::fuzz::run(tcpeek::fuzz::remaining_octets(input));
  return 0;
}
