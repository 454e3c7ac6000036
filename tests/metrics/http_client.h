// A blocking HTTP client for tests that can also send what no client would.

#ifndef TESTS_METRICS_HTTP_CLIENT_H_
#define TESTS_METRICS_HTTP_CLIENT_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

// A socket for HttpServer::Serve(), on a port of 127.0.0.1 that the kernel
// picks.
int ListenOnLoopback(uint16_t* port);

// One connection. Every wait ends after a minute at the latest, which only a
// failing test reaches.
class HttpClient {
 public:
  // To a port of 127.0.0.1.
  explicit HttpClient(uint16_t port);
  // Takes a connected socket.
  static HttpClient Of(int fd) { return HttpClient(Socket{fd}); }
  HttpClient(HttpClient&& other) noexcept;
  ~HttpClient();

  bool connected() const { return fd_ >= 0; }
  int fd() const { return fd_; }

  // False when the server has closed the connection.
  bool Send(std::string_view bytes);
  void ShutdownWrite();

  // One answer: head and as much body as Content-Length says (none for a HEAD).
  // Empty when the connection ended before it was whole.
  std::string ReadAnswer(bool head = false);
  // All until the server closes, whether by an end or a reset.
  std::string ReadAll();

  // Sends a whole request and reads its answer.
  std::string Get(const std::string& path);

  // True when the server has closed this connection. Does not wait.
  bool Ended();

 private:
  struct Socket {
    int fd;
  };
  explicit HttpClient(Socket socket);

  // False at an end.
  bool ReadMore();

  int fd_ = -1;
  std::string unread_;
};

// The status of an answer, 0 when it is none.
int StatusOf(const std::string& answer);
// The value of a header, empty when there is none.
std::string HeaderOf(const std::string& answer, const std::string& name);
std::string BodyOf(const std::string& answer);

}  // namespace weir

#endif  // TESTS_METRICS_HTTP_CLIENT_H_
