// Answers what clients ask, and knows what each word means.
//
// How it works: clients that ask together are answered together, from one snapshot that is never
// older than their questions; a reply that is the same for all is written once. After each round of
// answers comes a pause, so that those who ask as fast as they can cost the readers, which copy their
// counts for each snapshot, and the reactor a bounded share. Questions of clients that have left are
// forgotten: those that wait are never more than the server's clients.
//
// Any word that is not defined asks for what GET does, as the original has it.
//
// Thread contract: the reactor's thread.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "ipc/legacy_reply.h"
#include "ipc/reactor.h"
#include "ipc/snapshot.h"
#include "ipc/unix_server.h"

namespace tcpeek::engine {

class RequestHandler {
 public:
  using Reply = ipc::UnixServer::Reply;

  // What a client may wait longer than without others.
  static constexpr std::chrono::milliseconds kPause{2};

  // Calls its argument once, with a snapshot taken from now on.
  using Collect = std::function<void(std::function<void(const ipc::Snapshot&)>)>;

  // The reactor outlives it, and it outlives what the reactor runs.
  RequestHandler(ipc::Reactor& reactor, Collect collect)
      : reactor_(reactor), collect_(std::move(collect)) {}

  void ask(std::string word, Reply reply);

  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_.size(); }

 private:
  struct Question {
    std::string word;
    Reply reply;
  };

  void begin();
  void answer(const ipc::Snapshot& snapshot);
  void end();
  void forget_unwanted();

  ipc::Reactor& reactor_;
  const Collect collect_;
  std::vector<Question> asked_;    // answered by the round under way
  std::vector<Question> waiting_;  // for the next one
  bool busy_ = false;              // with a round or the pause after it
  ipc::RefreshMarks refresh_marks_;
};

}  // namespace tcpeek::engine
