// The capture files of a replay, read one after the other as one stream of packets.
//
// How to use it: the constructor opens all files, while the program still has its privileges; recognise()
// examines their contents once privileges are dropped; then read() until it returns false.
//
// Interface numbers mean the same in all files, and start at 1 as the kernel's do: interfaces with the
// same position in the section, name and link type are the same one, also in another section or file. So
// an attempt continues from the end of one file into the next.
//
// Files are read in the order given, and joined ones (cat a b > c) part by part; a warning says where one
// is older than what was read before it.
//
// Thread contract: main thread only.
// Errors: std::system_error for a file that cannot be opened; from recognise(), std::runtime_error,
// worded for the user, for a file from which nothing can be read; UsageError for a --bpf expression that
// does not fit a link type. Damage inside a file ends that file: what comes before it counts, and
// faults() says where it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "engine/replay/replay_filters.h"
#include "engine/replay/replay_reader.h"
#include "ring/savefile.h"

namespace tcpeek::engine {

class CaptureFiles {
 public:
  // Called at once with each warning, one line.
  using Warn = std::function<void(const std::string&)>;

  // "-" is standard input. Reading ends early when `interrupt`, a descriptor, becomes readable; where it
  // waits for more, `question` is answered meanwhile.
  // `bpf` is compiled here for every link type that a file may turn out to have; empty: none.
  CaptureFiles(std::span<const std::string> paths, const std::string& bpf, int interrupt,
               const ring::Question& question, Warn warn);

  void recognise();

  // Replaces `packets` by the next ones, at most `most`, all from one file; valid until the next call.
  // False: the end, or interrupted.
  [[nodiscard]] bool read(std::vector<ring::SavedPacket>& packets, std::size_t most);

  // Those of the packets read last, indexed by SavedPacket::interface.
  [[nodiscard]] std::span<const ReplayInterface> interfaces() const noexcept { return interfaces_; }
  // By ReplayInterface::number; the file's name where the file does not name the interface.
  [[nodiscard]] std::string interface_name(std::uint16_t number) const;

  // "a.pcap, link-type EN10MB (Ethernet); b.pcapng"
  [[nodiscard]] std::string describe() const;
  // How many packets each file has given so far.
  [[nodiscard]] std::vector<std::uint64_t> packets() const;
  // Of all files together: bytes passed, and how many there are, where that is known.
  [[nodiscard]] std::uint64_t passed() const noexcept;
  [[nodiscard]] std::optional<std::uint64_t> total() const noexcept;
  // What was wrong with the files, a line each; complete once read() has returned false.
  [[nodiscard]] const std::vector<std::string>& faults() const noexcept { return faults_; }

 private:
  // A source of packets whose times should not go back.
  struct Stretch {
    std::size_t file = 0;
    std::uint64_t part = 0;  // of the file: ring::SavefileReader::parts()
    std::string shown;
    std::int64_t first_ns = 0;
    std::int64_t last_ns = 0;  // of its last packet
  };
  struct File {
    std::string path;
    std::string name;                        // as it is
    std::string shown;                       // as printed
    std::unique_ptr<ring::ByteInput> input;  // until it has a reader
    std::unique_ptr<ring::SavefileReader> reader;
    std::uint64_t packets = 0;
    // A file may give any number of reasons to warn; each is logged once.
    std::set<std::uint16_t> ignored_link_types = {};
    bool joined = false;
    bool out_of_order = false;
  };

  void recognise(File& file);
  void follow_time(File& file, std::span<const ring::SavedPacket> packets);
  void check_order(File& file, const Stretch& next);
  void learn_interfaces(File& file);
  void learn_interface(File& file, const ring::SavedInterface& interface);
  [[nodiscard]] std::uint32_t number_of(const File& file, const ring::SavedInterface& interface);
  void finish(const File& file);
  [[nodiscard]] bool interrupted() const noexcept;

  int interrupt_;
  Warn warn_;
  ReplayFilters filters_;
  std::vector<File> files_;
  std::vector<std::string> faults_;

  std::size_t current_ = 0;                  // the file being read
  std::uint64_t bytes_before_ = 0;           // of those that have been read
  std::optional<Stretch> stretch_;           // the last one that had packets
  std::vector<ReplayInterface> interfaces_;  // of the file being read
  bool link_type_known_ = false;             // of at least one of them

  std::map<std::tuple<std::uint32_t, std::string, std::uint16_t>, std::uint32_t> interface_numbers_;
  std::map<std::uint16_t, std::string> interface_names_;  // by number
};

}  // namespace tcpeek::engine
