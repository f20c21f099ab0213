package jwk

import "context"

// The signatures that other packages build on. The owner of this package replaces this file.

type Set struct{}
type PublicKey struct{}
type PrivateKey struct{}
type SecretKey struct{}

func Generate(alg Algorithm) (*PrivateKey, error)                                { panic("stub") }
func GenerateSecret(alg Algorithm) (*SecretKey, error)                           { panic("stub") }
func NewSecret(alg Algorithm, id string, secret []byte) (*SecretKey, error)      { panic("stub") }
func ParseSet(data []byte) (*Set, error)                                         { panic("stub") }
func ParsePublic(data []byte) (*PublicKey, error)                                { panic("stub") }
func ParsePrivate(data []byte) (*PrivateKey, error)                              { panic("stub") }
func ParseSecret(data []byte) (*SecretKey, error)                                { panic("stub") }
func ParsePublicPEM(data []byte, alg Algorithm, id string) (*PublicKey, error)   { panic("stub") }
func ParsePrivatePEM(data []byte, alg Algorithm, id string) (*PrivateKey, error) { panic("stub") }
func NewSet(keys ...*PublicKey) (*Set, error)                                    { panic("stub") }
func NewSecretSet(keys ...*SecretKey) (*Set, error)                              { panic("stub") }

func (s *Set) Key(ctx context.Context, id string) (Key, error) { panic("stub") }
func (s *Set) Keys() []Key                                     { panic("stub") }
func (s *Set) MarshalJSON() ([]byte, error)                    { panic("stub") } // public members only; a set of secrets is an error

func (k *PublicKey) ID() string                            { panic("stub") }
func (k *PublicKey) Algorithm() Algorithm                  { panic("stub") }
func (k *PublicKey) Verify(message, signature []byte) bool { panic("stub") }
func (k *PublicKey) Thumbprint() string                    { panic("stub") }
func (k *PublicKey) MarshalJSON() ([]byte, error)          { panic("stub") }
func (k *PublicKey) sealed()                               {}

func (k *PrivateKey) ID() string                            { panic("stub") }
func (k *PrivateKey) Algorithm() Algorithm                  { panic("stub") }
func (k *PrivateKey) Verify(message, signature []byte) bool { panic("stub") }
func (k *PrivateKey) Sign(message []byte) ([]byte, error)   { panic("stub") }
func (k *PrivateKey) Public() *PublicKey                    { panic("stub") }
func (k *PrivateKey) MarshalPrivate() ([]byte, error)       { panic("stub") } // the whole JWK; seal it or keep it 0600. MarshalJSON and String refuse/redact
func (k *PrivateKey) sealed()                               {}

func (k *SecretKey) ID() string                            { panic("stub") }
func (k *SecretKey) Algorithm() Algorithm                  { panic("stub") }
func (k *SecretKey) Verify(message, signature []byte) bool { panic("stub") }
func (k *SecretKey) Sign(message []byte) ([]byte, error)   { panic("stub") }
func (k *SecretKey) MarshalPrivate() ([]byte, error)       { panic("stub") }
func (k *SecretKey) sealed()                               {}

// File is a Ring kept in one file of mode 0600.
type File struct{}

// OpenFile reads the ring, or makes it (ES256 by default) when there is no file.
func OpenFile(path string) (*File, error)                          { panic("stub") }
func (f *File) Key(ctx context.Context, id string) (Key, error)    { panic("stub") }
func (f *File) SigningKey(ctx context.Context) (SigningKey, error) { panic("stub") }
func (f *File) Published(ctx context.Context) (*Set, error)        { panic("stub") }
func (f *File) Secret(purpose string) [32]byte                     { panic("stub") }
