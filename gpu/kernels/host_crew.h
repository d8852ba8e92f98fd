// Threads of the library that help with one call, without waiting for each other in a busy loop.
//
// Work comes in numbered parts, which whoever is free takes next: beside another busy process a call takes no longer than on
// one thread. A thread that wakes too late finds the work closed and sleeps on; only those that have begun are waited for.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

class Crew {
   public:
    // Run part(0), part(1), ..., each once, on up to `threads` threads, the caller's among them.
    void run(long long n_parts, int threads, const std::function<void(long long)>& part) {
        std::unique_lock<std::mutex> alone(one_call, std::try_to_lock);
        if (threads < 2 || n_parts < 2 || !alone.owns_lock() || !enlisted(threads - 1)) {
            for (long long p = 0; p < n_parts; ++p) part(p);
            return;
        }
        {
            std::lock_guard<std::mutex> hold(state);
            work = &part;
            end = n_parts;
            next.store(0);
            wanted = threads - 1;
            open = true;
            round.fetch_add(1);
        }
        begun.notify_all();
        take();
        std::unique_lock<std::mutex> hold(state);
        open = false;
        ended.wait(hold, [this] { return busy == 0; });
    }

   private:
    std::mutex one_call, state;
    std::condition_variable begun, ended;
    std::atomic<long long> next{0}, round{0};
    const std::function<void(long long)>* work = nullptr;
    long long end = 0;
    int present = 0, busy = 0, wanted = 0;
    bool open = false;

    void take() {
        for (long long p = next.fetch_add(1); p < end; p = next.fetch_add(1)) (*work)(p);
    }

    // Whether so many helpers are there; they are started when they are first needed.
    bool enlisted(int number) {
        try {
            for (; present < number; ++present) std::thread([this] { help(); }).detach();
        } catch (const std::system_error&) {  // no more threads are to be had: the caller works alone
            return present > 0;
        }
        return true;
    }

    void help() {
        long long seen = 0;
        for (;;) {
            // the next call of a recursion follows within some microseconds, sooner than a sleeper wakes
            const auto asleep = std::chrono::steady_clock::now() + std::chrono::microseconds(40);
            while (round.load() == seen && std::chrono::steady_clock::now() < asleep) std::this_thread::yield();
            std::unique_lock<std::mutex> hold(state);
            begun.wait(hold, [&] { return round.load() != seen; });
            seen = round.load();
            if (!open || busy >= wanted) continue;
            ++busy;
            hold.unlock();
            take();
            hold.lock();
            if (--busy == 0) ended.notify_one();
        }
    }
};

// The crew of this process; a child of fork has none of the threads of its parent and gets its own.
inline Crew& crew() {
    static std::mutex making;
    static Crew* mine = nullptr;
    static pid_t owner = 0;
    std::lock_guard<std::mutex> hold(making);
    if (owner != getpid()) {
        mine = new Crew;  // never deleted: its threads may be asleep in it when the process ends
        owner = getpid();
    }
    return *mine;
}
