# Homebrew formula, for a tap: brew install --HEAD ./packaging/pipersr.rb
# Untried: no Homebrew was at hand, and no Mac (docs/install.md).
class Pipersr < Formula
  desc "Super-resolution of photos and videos on the CPU"
  homepage "https://pipersr.org"
  license "MIT"
  head "https://pipersr.org/pipersr.git", branch: "main"

  depends_on "meson" => :build
  depends_on "ninja" => :build
  depends_on "pkgconf" => :build
  depends_on "python@3.13" => :build
  depends_on "ffmpeg"
  depends_on "jansson"
  depends_on "vips"

  # Of pipersr serve, which is for Linux.
  on_linux do
    depends_on "gnutls"
    depends_on "libmicrohttpd"
    depends_on "libseccomp"
    depends_on "sqlite"
  end

  def install
    system "meson", "setup", "build", "-Dgimp=disabled", "-Dgstreamer=disabled", "-Dvapoursynth=disabled",
           *std_meson_args
    system "meson", "compile", "-C", "build", "--verbose"
    system "meson", "install", "-C", "build"
  end

  test do
    (testpath/"in.ppm").binwrite "P6 4 4 255\n" + ("\x80" * 48)
    system bin/"pipersr", "upscale", "in.ppm", "-o", "out.png"
    assert_path_exists testpath/"out.png"
  end
end
