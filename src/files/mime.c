#include "rupy/files/mime.h"

#define T(ext, type)                                                           \
    {                                                                          \
        {ext, sizeof(ext) - 1},                                                \
        {                                                                      \
            type, sizeof(type) - 1                                             \
        }                                                                      \
    }

/* clang-format off */
/* In the order of strcmp(); names as the IANA registry has them. */
static const struct rp_mime table[] = {
    T("3gp", "video/3gpp"),
    T("7z", "application/x-7z-compressed"),
    T("aac", "audio/aac"),
    T("apk", "application/vnd.android.package-archive"),
    T("apng", "image/apng"),
    T("asc", "application/pgp-signature"),
    T("atom", "application/atom+xml"),
    T("avi", "video/x-msvideo"),
    T("avif", "image/avif"),
    T("bin", "application/octet-stream"),
    T("bmp", "image/bmp"),
    T("br", "application/octet-stream"),
    T("bz2", "application/x-bzip2"),
    T("c", "text/x-c; charset=utf-8"),
    T("cjs", "text/javascript; charset=utf-8"),
    T("conf", "text/plain; charset=utf-8"),
    T("crt", "application/x-x509-ca-cert"),
    T("css", "text/css; charset=utf-8"),
    T("csv", "text/csv; charset=utf-8"),
    T("cur", "image/vnd.microsoft.icon"),
    T("deb", "application/vnd.debian.binary-package"),
    T("diff", "text/x-diff; charset=utf-8"),
    T("dmg", "application/x-apple-diskimage"),
    T("doc", "application/msword"),
    T("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    T("eot", "application/vnd.ms-fontobject"),
    T("eps", "application/postscript"),
    T("epub", "application/epub+zip"),
    T("exe", "application/octet-stream"),
    T("flac", "audio/flac"),
    T("geojson", "application/geo+json"),
    T("gif", "image/gif"),
    T("glb", "model/gltf-binary"),
    T("gltf", "model/gltf+json"),
    T("gpx", "application/gpx+xml"),
    T("gz", "application/gzip"),
    T("h", "text/x-c; charset=utf-8"),
    T("heic", "image/heic"),
    T("heif", "image/heif"),
    T("htm", "text/html; charset=utf-8"),
    T("html", "text/html; charset=utf-8"),
    T("ico", "image/vnd.microsoft.icon"),
    T("ics", "text/calendar; charset=utf-8"),
    T("ini", "text/plain; charset=utf-8"),
    T("ipynb", "application/x-ipynb+json"),
    T("iso", "application/x-iso9660-image"),
    T("jar", "application/java-archive"),
    T("jpe", "image/jpeg"),
    T("jpeg", "image/jpeg"),
    T("jpg", "image/jpeg"),
    T("js", "text/javascript; charset=utf-8"),
    T("json", "application/json"),
    T("jsonld", "application/ld+json"),
    T("jxl", "image/jxl"),
    T("kml", "application/vnd.google-earth.kml+xml"),
    T("kmz", "application/vnd.google-earth.kmz"),
    T("log", "text/plain; charset=utf-8"),
    T("m3u8", "application/vnd.apple.mpegurl"),
    T("m4a", "audio/mp4"),
    T("m4v", "video/mp4"),
    T("map", "application/json"),
    T("markdown", "text/markdown; charset=utf-8"),
    T("md", "text/markdown; charset=utf-8"),
    T("mid", "audio/midi"),
    T("midi", "audio/midi"),
    T("mjs", "text/javascript; charset=utf-8"),
    T("mkv", "video/matroska"),
    T("mov", "video/quicktime"),
    T("mp3", "audio/mpeg"),
    T("mp4", "video/mp4"),
    T("mpd", "application/dash+xml"),
    T("mpeg", "video/mpeg"),
    T("mpg", "video/mpeg"),
    T("msi", "application/x-msi"),
    T("odp", "application/vnd.oasis.opendocument.presentation"),
    T("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    T("odt", "application/vnd.oasis.opendocument.text"),
    T("oga", "audio/ogg"),
    T("ogg", "audio/ogg"),
    T("ogv", "video/ogg"),
    T("opus", "audio/ogg"),
    T("otf", "font/otf"),
    T("p12", "application/x-pkcs12"),
    T("parquet", "application/vnd.apache.parquet"),
    T("patch", "text/x-diff; charset=utf-8"),
    T("pdf", "application/pdf"),
    T("pem", "application/x-pem-file"),
    T("pgp", "application/pgp-encrypted"),
    T("png", "image/png"),
    T("ppt", "application/vnd.ms-powerpoint"),
    T("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    T("ps", "application/postscript"),
    T("py", "text/x-python; charset=utf-8"),
    T("rar", "application/vnd.rar"),
    T("rpm", "application/x-rpm"),
    T("rss", "application/rss+xml"),
    T("rst", "text/x-rst; charset=utf-8"),
    T("rtf", "application/rtf"),
    T("sh", "application/x-sh"),
    T("sql", "application/sql"),
    T("sqlite", "application/vnd.sqlite3"),
    T("srt", "application/x-subrip"),
    T("stl", "model/stl"),
    T("svg", "image/svg+xml"),
    T("svgz", "image/svg+xml"),
    T("swf", "application/x-shockwave-flash"),
    T("tar", "application/x-tar"),
    T("text", "text/plain; charset=utf-8"),
    T("tgz", "application/gzip"),
    T("tif", "image/tiff"),
    T("tiff", "image/tiff"),
    T("toml", "application/toml"),
    T("torrent", "application/x-bittorrent"),
    T("ts", "video/mp2t"),
    T("tsv", "text/tab-separated-values; charset=utf-8"),
    T("ttc", "font/collection"),
    T("ttf", "font/ttf"),
    T("txt", "text/plain; charset=utf-8"),
    T("vcf", "text/vcard; charset=utf-8"),
    T("vtt", "text/vtt; charset=utf-8"),
    T("wasm", "application/wasm"),
    T("wav", "audio/wav"),
    T("weba", "audio/webm"),
    T("webm", "video/webm"),
    T("webmanifest", "application/manifest+json"),
    T("webp", "image/webp"),
    T("woff", "font/woff"),
    T("woff2", "font/woff2"),
    T("xhtml", "application/xhtml+xml"),
    T("xls", "application/vnd.ms-excel"),
    T("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    T("xml", "text/xml; charset=utf-8"),
    T("xsl", "application/xslt+xml"),
    T("xslt", "application/xslt+xml"),
    T("xz", "application/x-xz"),
    T("yaml", "application/yaml"),
    T("yml", "application/yaml"),
    T("zip", "application/zip"),
    T("zst", "application/zstd"),
};
/* clang-format on */

enum { EXT_MAX = 12 };

/* The end of the name is "." and ext, and something stands in front. */
static bool
has_ext(struct rp_str path, struct rp_str ext)
{
    size_t at = path.n - ext.n;

    return path.n > ext.n + 1 && path.p[at - 1] == '.' &&
           path.p[at - 2] != '/' &&
           rp_str_ieq((struct rp_str){path.p + at, ext.n}, ext);
}

static int
compare(const char *ext, size_t n, struct rp_str row)
{
    int c = memcmp(ext, row.p, n < row.n ? n : row.n);

    return c != 0 ? c : n < row.n ? -1 : n > row.n;
}

static const struct rp_mime *
find(const char *ext, size_t n)
{
    size_t lo = 0, hi = sizeof(table) / sizeof(table[0]);

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = compare(ext, n, table[mid].ext);

        if (c == 0)
            return &table[mid];
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

struct rp_str
rp_mime_find(struct rp_str path, const struct rp_mime *own, size_t nown)
{
    const struct rp_mime *found = NULL;
    char ext[EXT_MAX];
    size_t n = 0;

    for (size_t i = 0; i < nown; i++)
        if (has_ext(path, own[i].ext))
            return own[i].type;
    while (n < path.n && n < EXT_MAX && path.p[path.n - n - 1] != '.' &&
           path.p[path.n - n - 1] != '/')
        n++;
    if (n > 0 && has_ext(path, (struct rp_str){path.p + path.n - n, n})) {
        for (size_t i = 0; i < n; i++) {
            char c = path.p[path.n - n + i];
            ext[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
        }
        found = find(ext, n);
    }
    return found ? found->type : RP_STR("application/octet-stream");
}
