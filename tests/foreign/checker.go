// Checks what Sealbook publishes with Go's own packages for transparency logs. It shares no code with Sealbook.
//
// Standard input holds one question a line, in JSON; standard output one answer a line, in JSON.
package main

import (
	"bufio"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A question names a check and has what that check needs.
type question struct {
	Check   string
	Keys    []string // of the log and its witnesses: all must have signed
	Note    string
	OldNote string
	Index   int64
	Indexes []int64
	Entries [][]byte // those of the indexes
	Entry   []byte
	Proof   [][]byte
	Tiles   string // the folder of the log
}

type answer struct {
	Refused string     `json:",omitempty"` // why; nothing where all is well
	Proofs  [][][]byte `json:",omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		proofs, err := check(asked)
		said := answer{Proofs: proofs}
		if err != nil {
			said.Refused = err.Error()
		}
		answers.Encode(said)
	}
}

func check(asked question) ([][][]byte, error) {
	tree, err := open(asked.Note, asked.Keys)
	if err != nil {
		return nil, err
	}
	proof, err := hashes(asked.Proof)
	if err != nil {
		return nil, err
	}
	switch asked.Check {
	case "note":
		return nil, nil
	case "inclusion":
		return nil, tlog.CheckRecord(proof, tree.N, tree.Hash, asked.Index, tlog.RecordHash(asked.Entry))
	case "growth":
		old, err := open(asked.OldNote, asked.Keys)
		if err != nil {
			return nil, err
		}
		return nil, tlog.CheckTree(tlog.TreeProof(proof), tree.N, tree.Hash, old.N, old.Hash)
	case "tiles":
		return prove(tree, folder(asked.Tiles), asked.Indexes, asked.Entries)
	}
	return nil, errors.New("no such check: " + asked.Check)
}

// prove reads tiles, which are checked against the tree's root on the way, and makes proofs of its own from them.
func prove(tree tlog.Tree, tiles tlog.TileReader, indexes []int64, entries [][]byte) ([][][]byte, error) {
	reader := tlog.TileHashReader(tree, tiles)
	root, err := tlog.TreeHash(tree.N, reader)
	if err != nil {
		return nil, err
	}
	if root != tree.Hash {
		return nil, errors.New("the tiles have another root")
	}
	var proofs [][][]byte
	for i, index := range indexes {
		proof, err := tlog.ProveRecord(tree.N, index, reader)
		if err != nil {
			return nil, err
		}
		// Version 0.7 of the reader leaves the first tiles below those of the tree's edge unchecked.
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entries[i])); err != nil {
			return nil, err
		}
		var plain [][]byte
		for _, hash := range proof {
			plain = append(plain, append([]byte(nil), hash[:]...))
		}
		proofs = append(proofs, plain)
	}
	return proofs, nil
}

// open returns the tree of a checkpoint that all the keys have signed.
func open(text string, keys []string) (tlog.Tree, error) {
	var verifiers []note.Verifier
	for _, key := range keys {
		verifier, err := newVerifier(key)
		if err != nil {
			return tlog.Tree{}, err
		}
		verifiers = append(verifiers, verifier)
	}
	opened, err := note.Open([]byte(text), note.VerifierList(verifiers...))
	if err != nil {
		return tlog.Tree{}, err
	}
	if len(opened.Sigs) != len(keys) {
		return tlog.Tree{}, errors.New("not all have signed")
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifiers[0].Name() {
		return tlog.Tree{}, errors.New("not a checkpoint of that log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

func hashes(proof [][]byte) (tlog.RecordProof, error) {
	found := tlog.RecordProof{}
	for _, each := range proof {
		var hash tlog.Hash
		if len(each) != len(hash) {
			return nil, errors.New("not a hash")
		}
		copy(hash[:], each)
		found = append(found, hash)
	}
	return found, nil
}

// newVerifier knows the keys of witnesses, type 4, besides those that the package knows.
func newVerifier(key string) (note.Verifier, error) {
	parts := strings.SplitN(key, "+", 3)
	material, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(material) != 1+ed25519.PublicKeySize || material[0] != 4 {
		return note.NewVerifier(key)
	}
	named := sha256.Sum256(append([]byte(parts[0]+"\n"), material...))
	return witness{parts[0], binary.BigEndian.Uint32(named[:]), material[1:]}, nil
}

type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.hash }

func (w witness) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	said := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(signature), text)
	return ed25519.Verify(w.key, []byte(said), signature[8:])
}

// folder reads tiles as C2SP tlog-tiles lays them out: without the height in their path.
type folder string

func (f folder) Height() int { return 8 }

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		hashes, err := os.ReadFile(filepath.Join(string(f), path))
		if errors.Is(err, os.ErrNotExist) {
			whole, _, _ := strings.Cut(path, ".p/")
			hashes, err = os.ReadFile(filepath.Join(string(f), whole))
		}
		if err != nil {
			return nil, err
		}
		if len(hashes) < tile.W*tlog.HashSize {
			return nil, errors.New(path + " is too short")
		}
		found = append(found, hashes[:tile.W*tlog.HashSize])
	}
	return found, nil
}
